"""A probe on anything at all, and Base64 of anything at all."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_async.request.audio import AudioBytes, AudioChanged, AudioFile, AudioInfo, Container, base64_size, probe
from tests.clips.build import CLIPS, adts, clip, fragment, fragmented, full, movie, mp3, rf64, trak, wav

STARTS = [
    b"",
    b"ID3\4\0\0\0\0\0\1",
    b"RIFF\0\0\0\0WAVEfmt ",
    b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x40moov",
    b"\xff\xfb\x90",
    b"\xff\xf1\x50",
]
MADE = [wav(), rf64(), movie(trak(samples=3)), fragmented(fragment(full(b"trun", 2))), mp3(9), adts(9)]
REAL = [clip(path.name) for path in sorted(CLIPS.iterdir()) if path.suffix not in {".md", ".py"} and path.is_file()]
WHOLE = [data for data in MADE + REAL if len(data) < 20_000]
FLIPS = st.lists(st.tuples(st.integers(0, 19_999), st.integers(0, 255)), max_size=8)


def sane(data: bytes) -> AudioInfo:
    """Probe, and check what holds for every answer."""
    source = BytesIO(data)
    info = probe(source, len(data))
    assert source.tell() <= len(data)
    assert info.size == len(data)
    assert info.duration is None or info.duration > 0
    assert info.duration is not None or info.note
    assert info.container not in {Container.VIDEO, Container.THREE_GP, Container.OTHER} or info.duration is None
    return info


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
def test_anything(start: bytes, rest: bytes) -> None:
    """No bytes make a probe raise, and an unknown length has its reason."""
    sane(start + rest)


@settings(deadline=None)
@given(data=st.sampled_from(WHOLE), cut=st.integers(0, 20_000), flips=FLIPS)
def test_damaged_clips(data: bytes, cut: int, flips: list[tuple[int, int]]) -> None:
    """Nor does any cut or any wrong byte in a real clip."""
    damaged = bytearray(data[:cut])
    for at, byte in flips:
        damaged[at : at + 1] = bytes([byte]) if at < len(damaged) else b""
    sane(bytes(damaged))


@settings(deadline=None)
@given(data=st.sampled_from(WHOLE), keep=st.floats(0, 1))
def test_cut_clips_are_never_longer(data: bytes, keep: float) -> None:
    """A cut clip is never said to be longer than the whole, and an MP3, WAV or ADTS stays what it is."""
    whole, cut = sane(data), sane(data[: int(len(data) * keep)])
    assert cut.duration is None or whole.duration is None or cut.duration <= whole.duration + 0.001


@given(data=st.binary(max_size=400), size=st.integers(-3, 500))
def test_slices_join(data: bytes, size: int) -> None:
    """Slices of any size join to the Base64 of the bytes, of exactly the promised length."""
    sound = AudioBytes(data)
    text = b"".join(sound.slices(size))
    assert text == base64.b64encode(data)
    assert len(text) == sound.base64_length
    assert base64_size(text.decode()) == len(data)
    assert sound.digest() == hashlib.sha256(data).hexdigest()


@given(text=st.text(alphabet="Aa0+/=-é \n", max_size=12))
def test_base64_is_told(text: str) -> None:
    """What is measured is exactly what a strict decoder takes, and as large."""
    try:
        size = len(binascii.a2b_base64(text.encode("ascii"), strict_mode=True))
    except ValueError:
        assert base64_size(text) is None
    else:
        # Python's own decoder lets a needless "=" at the end pass before 3.13.
        assert base64_size(text) == (None if len(text) % 4 else size)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One directory for all examples."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def rest_until_changed(slices: Iterator[bytes]) -> int:
    """The length of what still leaves before the change is seen."""
    length = 0
    try:
        for piece in slices:
            length += len(piece)
    except AudioChanged:
        return length
    pytest.fail("the change was not seen")


@settings(deadline=None)
@given(
    old=st.binary(min_size=1, max_size=200),
    new=st.binary(max_size=200),
    size=st.integers(1, 60),
    after=st.integers(0, 70),
)
def test_changed_file_never_ends(folder: Path, old: bytes, new: bytes, size: int, after: int) -> None:
    """However a file is rewritten, and after whatever slice: its last slice leaves only when it had left before."""
    path = folder / "sound"
    path.write_bytes(old)
    sound = AudioFile(path)
    slices, sent = sound.slices(size), b""
    for _ in range(after):
        sent += next(slices, b"")
    path.write_bytes(new)
    os.utime(path, ns=(0, sound.mtime_ns + 1))
    if len(sent) < sound.base64_length:
        assert len(sent) + rest_until_changed(slices) < sound.base64_length
    else:
        assert sent == base64.b64encode(old)
