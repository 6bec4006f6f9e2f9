"""How a video's file is called: `<external_task_id>.mp4`, whatever the id holds.

Pure. A name is good on Linux, macOS and Windows, with room for the suffix of a temporary file.
Two ids get two names that no file system takes for one: macOS and Windows fold case, macOS folds Unicode as well.
An id that cannot stand as it is carries a hash of itself, so that it has the same name in every run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain
from unicodedata import normalize

SUFFIX = ".mp4"
LONGEST = 255
"""Bytes of a name on all usual file systems."""
TEMPORARY = ".12345678-12345678.part"
"""What `temporary_name` adds: a mark and a token of eight characters each."""
ROOM = LONGEST - len(TEMPORARY) - len(SUFFIX)
"""Bytes of a name without its suffix."""
_HASHES = (8, 16, 32, 64)
"""Characters of the hash; more only where a shorter one is another id's name."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]')
"""What Windows forbids, what steers a terminal or turns the reading direction, and halves of characters."""
_LEADING = re.compile(r"^[\s._~-]+")
"""Hides a file, or makes an option of its name."""
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)
"""Devices of Windows, which have these names with any suffix."""


def folded(name: str) -> str:
    """Two names are the same file somewhere if, and only if, this is equal for them."""
    # NTFS folds by upper case, APFS by case folding; upper first and then folded is coarser than either.
    return normalize("NFKD", normalize("NFKD", normalize("NFKD", name).upper()).casefold())


def plain_name(external_task_id: str) -> str | None:
    """`<external_task_id>.mp4`, or None for an id that cannot stand as it is."""
    stem = external_task_id
    if not stem or stem != _cleaned(stem) or stem.startswith((".", "-", "~")) or _RESERVED.fullmatch(stem):
        return None
    return stem + SUFFIX if len(stem.encode()) <= ROOM else None


def hashed_name(external_task_id: str, characters: int = _HASHES[0]) -> str:
    """What can stand of the id, and a hash of all of it."""
    digest = blake2b(external_task_id.encode(errors="surrogatepass"), digest_size=32).hexdigest()[:characters]
    stem = _LEADING.sub("", _cleaned(external_task_id))
    stem = stem.encode()[: ROOM - characters - 1].decode(errors="ignore").rstrip(". ")
    return f"{stem or 'video'}-{digest}{SUFFIX}"


def _cleaned(stem: str) -> str:
    """Without what no name may hold; without blanks and dots at its end, and blanks at its beginning."""
    return _FORBIDDEN.sub("_", stem).strip().rstrip(". ")


class Names:
    """The names of one folder's videos: each id's own, always the same.

    It keeps two numbers an id, not the id, for lists are long.
    """

    def __init__(self, external_task_ids: Iterable[str] = ()) -> None:
        """The ids that are known get their names in this order."""
        self._owners: dict[int, int] = {}
        for external_task_id in external_task_ids:
            self.of(external_task_id)

    def __len__(self) -> int:
        return len(self._owners)

    def of(self, external_task_id: str) -> str:
        """The name of this id's video; the plain one unless it cannot stand, or another id's folds into it."""
        own = _number(external_task_id)
        plain = plain_name(external_task_id)
        hashes = (hashed_name(external_task_id, characters) for characters in _HASHES)
        return next(it for it in chain([plain] if plain else [], hashes) if self._is_free(it, own))

    def _is_free(self, name: str, own: int) -> bool:
        """Whether a name is this id's, now or from now on."""
        return self._owners.setdefault(_number(folded(name)), own) == own


def _number(text: str) -> int:
    """64 bits that stand for a text; where two texts had the same, one name would carry a hash without need."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())


def temporary_name(name: str, mark: str, token: str) -> str:
    """Of the file that becomes `name`: it says whose it is, and two are never the same.

    `mark` stands for its owner, a journal; `token` is random; both have eight hexadecimal characters.
    """
    return f"{name}.{mark}-{token}.part"


def left_over_of(mark: str, name: str) -> bool:
    """Whether a file of this name is a temporary one of that owner."""
    return re.fullmatch(rf"(?s).+{re.escape(SUFFIX)}\.{re.escape(mark)}-[0-9a-f]{{8}}\.part", name) is not None


def mark_of(owner: str) -> str:
    """The mark of an owner, such as a journal by its id."""
    return blake2b(owner.encode(errors="surrogatepass"), digest_size=4).hexdigest()
