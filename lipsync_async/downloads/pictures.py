"""Small pictures, by the same rules as videos: whole or not at all, and the key to the gateway alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

from .folder import in_thread
from .heads import Again, GiveUp
from .session import Proxies, make_session, rules_of
from .source import Asked, Body, Cut, Key, Source

MOST_BYTES = 10_000_000
"""Of a picture of a face."""
PATIENCE = 30.0
"""Seconds for its head, and for each silence in its body."""
_ENDINGS: tuple[tuple[bytes, str], ...] = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"RIFF", ".webp"))


async def fetch_pictures(
    gateway_url: str, key: Key | None, pictures: Sequence[tuple[str, str]], folder: Path, *, trust_env: bool = False
) -> list[Path | str]:
    """Puts pictures (a URL and a name without its ending, each) into a folder; of each its path, or why there is none.

    One that is there is written over. Raises OSError where the folder cannot be written.
    """
    proxies, rules = Proxies(trust_env=trust_env), await rules_of(gateway_url)
    async with make_session(rules, proxies) as session:
        source = Source(session, rules, proxies, key, most=MOST_BYTES)
        return [await _fetch(source, url, folder, name) for url, name in pictures]


async def _fetch(source: Source, url: str, folder: Path, name: str) -> Path | str:
    body = await source.open(Asked(url=url, seconds=PATIENCE))
    if isinstance(body, Again | GiveUp):
        return body.reason
    data = await _read(body)
    if isinstance(data, str):
        return data
    ending = next((ending for magic, ending in _ENDINGS if data.startswith(magic)), "")
    if not ending:
        return "what came is no picture that is known"
    path = folder / f"{name}{ending}"
    await in_thread(lambda: _write(path, data))
    return path


async def _read(body: Body) -> bytes | str:
    """The whole picture, or why it is none."""
    data = bytearray()
    try:
        while block := await body.read(PATIENCE):
            if isinstance(block, Cut):
                return block.reason
            data += block
            if len(data) > MOST_BYTES:
                return f"it has more than {MOST_BYTES:,} bytes"
    finally:
        body.close()
    if body.take.length is not None and len(data) != body.take.length:
        return "it came in part"
    return bytes(data)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".picture-", delete=False) as part:
        try:
            part.write(data)
            part.flush()
            os.replace(part.name, path)  # noqa: PTH105 - both are names here
        except BaseException:
            os.unlink(part.name)  # noqa: PTH108
            raise
