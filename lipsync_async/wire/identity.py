"""Which job is which: the derived id, the fingerprint of a request's content, and the ids that were seen."""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from hashlib import blake2b, sha256

from attrs import evolve

from lipsync_async.models import LipSyncRequest

from .bodies import canonical

_DIGITS = 40
"""Hex digits of a derived id: 160 bits."""
_PREFIX = re.compile(r"[A-Za-z0-9_-]*")


def derive_id(request: LipSyncRequest, *, prefix: str = "", max_length: int = 64) -> str:
    """The external_task_id that follows from a request's content: the same script run twice means the same jobs.

    It is `prefix` and 40 hex digits of the sha256 of prefix and canonical body; the key is no part of it.
    Golden-tested: it never changes from version to version.
    Raises ValueError for a prefix with other characters than `A-Za-z0-9_-`, or too long for `max_length`;
    OSError when a sound file cannot be read.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"an id's prefix is made of A-Z a-z 0-9 _ -, not {prefix!r}")
    if len(prefix) + _DIGITS > max_length:
        raise ValueError(f"an id's prefix has at most {max(0, max_length - _DIGITS)} characters, not {len(prefix)}")
    return prefix + sha256(canonical(request, prefix=prefix)).hexdigest()[:_DIGITS]


def fingerprint(request: LipSyncRequest) -> bytes:
    """16 bytes that stand for a request's content, its id apart. Raises OSError when a sound file cannot be read."""
    return blake2b(canonical(request), digest_size=16).digest()


def core_fingerprint(request: LipSyncRequest) -> bytes:
    """16 bytes that stand for what is asked for, whatever the session. Raises OSError as `fingerprint` does."""
    return blake2b(canonical(evolve(request, session_id="")), digest_size=16).digest()


def _blake64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


# Python's own hash is SipHash with a secret key, of 64 bits where pointers are, and costs next to nothing.
_hash64 = hash if sys.hash_info.width >= 64 else _blake64
_BUCKETS = 1024


class SeenIds:
    """A set of ids that only grows, at some 9 bytes an id: packed 8-byte hashes, sorted, in 1,024 small arrays.

    No array is ever rehashed, so no `add` takes long.
    An id that is new is taken for one that was seen with odds of n / 2**64 (n ids seen before):
    3 in 10**8 that it happens once among a million.
    """

    __slots__ = ("_buckets", "_size")

    def __init__(self) -> None:
        self._buckets: list[array[int] | None] = [None] * _BUCKETS
        self._size = 0

    def __repr__(self) -> str:
        return f"<SeenIds {self._size}>"

    def __len__(self) -> int:
        return self._size

    def add(self, external_task_id: str) -> bool:
        """Remembers an id; True when it is new."""
        number = _hash64(external_task_id)
        bucket = self._buckets[number % _BUCKETS]
        if bucket is None:
            self._buckets[number % _BUCKETS] = array("q", (number,))
            self._size += 1
            return True
        place = bisect_left(bucket, number)
        if place < len(bucket) and bucket[place] == number:
            return False
        bucket.insert(place, number)
        self._size += 1
        return True

    def __contains__(self, external_task_id: object) -> bool:
        if not isinstance(external_task_id, str):
            return False
        number = _hash64(external_task_id)
        bucket = self._buckets[number % _BUCKETS] or ()
        place = bisect_left(bucket, number)
        return place < len(bucket) and bucket[place] == number
