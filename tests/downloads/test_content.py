"""What is a video, and what is a whole one."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.downloads.content import START, Boxes, Look, Unpacker, look


def box(name: bytes, content: bytes = b"", *, large: bool = False) -> bytes:
    """One box of an MP4 file."""
    if large:
        return b"\0\0\0\1" + name + (len(content) + 16).to_bytes(8, "big") + content
    return (len(content) + 8).to_bytes(4, "big") + name + content


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
MOOV, MDAT = box(b"moov", bytes(50)), box(b"mdat", bytes(range(200)))
VIDEO = FTYP + MOOV + MDAT


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (VIDEO, Look.VIDEO),
        (VIDEO[:8], Look.VIDEO),
        (VIDEO[:7], Look.OPEN),
        (b"", Look.OPEN),
        (box(b"free", bytes(20)) + FTYP, Look.VIDEO),
        (box(b"free", bytes(20)), Look.OPEN),
        (box(b"free", bytes(START - 16)) + FTYP, Look.VIDEO),
        (box(b"free", bytes(START - 8)) + FTYP, Look.OTHER),
        (box(b"mdat", bytes(20)) + FTYP, Look.OTHER),
        (b"\0\0\0\0free" + FTYP, Look.OTHER),
        (b"<!DOCTYPE html><html>", Look.PAGE),
        (b"\xef\xbb\xbf\n  <html>   ", Look.PAGE),
        (b'{"error": "gone"}', Look.PAGE),
        (b"\x1f\x8b\x08\0\0\0\0\0\0", Look.OTHER),
        (b"Not Found", Look.OTHER),
    ],
)
def test_the_first_bytes_tell(start: bytes, expected: Look) -> None:
    """A box `ftyp` near the start is a video; brackets are a page; anything else is neither."""
    assert look(start) is expected


@pytest.mark.parametrize(
    ("start", "expected"), [(b"", Look.EMPTY), (b"ftyp", Look.OTHER), (b"{}", Look.PAGE), (VIDEO[:8], Look.VIDEO)]
)
def test_a_body_that_has_ended_is_told(start: bytes, expected: Look) -> None:
    """However short it is."""
    assert look(start, ended=True) is expected


@given(st.binary(max_size=5000), st.integers(0, 5000))
def test_more_bytes_never_change_the_word(start: bytes, cut: int) -> None:
    """What was told of the first bytes holds for all."""
    if (early := look(start[:cut])) is not Look.OPEN:
        told = look(start)
        assert told is early or {told, early} <= {Look.PAGE, Look.OTHER}
    assert look(start, ended=True) is not Look.OPEN


@given(st.data())
def test_boxes_end_where_the_file_ends(data: st.DataObject) -> None:
    """However it is cut into pieces: whole at the end of a box, after pictures and their description."""
    large = data.draw(st.booleans())
    video = FTYP + box(b"moov", bytes(50)) + box(b"mdat", data.draw(st.binary(max_size=300)), large=large)
    cut = data.draw(st.integers(0, len(video)))
    boxes, at = Boxes(), 0
    while at < cut:
        step = data.draw(st.integers(1, 60))
        boxes.feed(video[at : min(cut, at + step)])
        at += step
    assert boxes.whole == (cut == len(video))


def test_boxes_that_tell_nothing() -> None:
    """A box to the end of the file, one that is shorter than its header, and a file without pictures."""
    for file in (FTYP + MOOV + b"\0\0\0\0mdat" + bytes(50), FTYP + MOOV + MDAT + b"\0\0\0\3free", FTYP + MDAT, MOOV):
        boxes = Boxes()
        boxes.feed(file)
        assert not boxes.whole
    boxes = Boxes()
    boxes.feed(VIDEO + box(b"free") + box(b"moof"))
    assert boxes.whole


@given(st.binary(max_size=3000), st.integers(1, 100))
def test_gzip_is_taken_off(content: bytes, step: int) -> None:
    """Whole when its checksum came, and not before."""
    packed = gzip.compress(content, mtime=0)
    unpacker, found = Unpacker(10_000), b""
    for at in range(0, len(packed), step):
        assert not unpacker.whole
        found += unpacker.feed(packed[at : at + step])
    assert found == content
    assert unpacker.whole


def test_a_bomb_does_not_go_off() -> None:
    """No more than one byte over the bound comes out at a time, and what is no gzip is told."""
    unpacker = Unpacker(1000)
    bomb = gzip.compress(bytes(10_000_000), mtime=0)
    assert len(unpacker.feed(bomb)) == 1001
    assert not unpacker.whole
    with pytest.raises(ValueError, match="no gzip"):
        Unpacker(1000).feed(b"{}       ")
