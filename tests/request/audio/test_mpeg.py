"""MP3 and ADTS: frames, tags, headers that count, and garbage between them."""

from __future__ import annotations

from struct import pack

import pytest

from lipsync_async.request.audio import AudioInfo, Container
from tests.clips.build import adts, id3, mp3
from tests.request.audio.helpers import ADTS_FRAME, CUT, MP3_FRAME, about, told


def test_mp3_without_anything() -> None:
    """Frames alone are counted."""
    assert told(mp3(100)) == about(Container.MP3, 100 * MP3_FRAME, 41700)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_few_frames(frames: int) -> None:
    """A file of a few whole frames is an MP3."""
    assert told(mp3(frames)).duration == pytest.approx(frames * MP3_FRAME)


def test_one_frame_among_others_is_no_mp3() -> None:
    """One header alone is found in any large file and proves nothing."""
    assert told(mp3(1) + b"\0" * 1000).container is Container.OTHER
    assert told(mp3(2) + b"\0" * 1000).container is Container.OTHER


def test_frames_of_other_families_prove_nothing() -> None:
    """A header that another sort of frame follows is a coincidence."""
    assert told(mp3(1) + mp3(1, b"\xff\xfb\x94\x00", 384) + b"\0" * 500).container is Container.OTHER


def test_large_tags() -> None:
    """Tags of any size, several of them, with a footer, and an ID3v1 at the end are no sound."""
    tags = id3(b"\xff\xfb\x90\x00" * 50_000) + id3(b"art", flags=0x10) + b"3DI\4\0\x10\0\0\0\3"
    assert told(tags + mp3(100) + b"TAG".ljust(128, b"x")).duration == pytest.approx(100 * MP3_FRAME)


def test_tag_that_claims_too_much() -> None:
    """A tag that claims to be longer than the file leaves nothing to read."""
    assert told(b"ID3\4\0\0\x7f\x7f\x7f\x7f" + mp3(9)).note == "it holds nothing but a tag"


@pytest.mark.parametrize("side", [17, 32])
@pytest.mark.parametrize("name", [b"Xing", b"Info"])
def test_xing_frame_is_silent(name: bytes, side: int) -> None:
    """A Xing or Info frame is not counted, and when it agrees there is no note."""
    data = mp3(101, first=b"\0" * side + name + pack(">II", 3, 100))
    assert told(data) == about(Container.MP3, 100 * MP3_FRAME, len(data))


def test_vbri_frame_is_silent() -> None:
    """The same for Fraunhofer's header."""
    data = mp3(101, first=b"\0" * 32 + b"VBRI" + b"\0" * 10 + pack(">I", 100))
    assert told(data) == about(Container.MP3, 100 * MP3_FRAME, len(data))


def test_xing_without_a_count() -> None:
    """A Xing header that tells no number of frames promises nothing."""
    assert told(mp3(101, first=b"\0" * 32 + b"Xing" + pack(">II", 2, 9999))).note == ""


def test_cut_mp3_is_counted() -> None:
    """Of a cut MP3 what is there counts, and the note says so."""
    data = mp3(101, first=b"\0" * 32 + b"Xing" + pack(">II", 1, 100))[: 51 * 417 + 200]
    assert told(data) == about(Container.MP3, 50 * MP3_FRAME, len(data), CUT)


def test_header_alone() -> None:
    """An MP3 of a header frame and no more has no sound."""
    assert told(mp3(1, first=b"\0" * 32 + b"Xing" + pack(">II", 1, 100))).note == "it holds no whole frame of sound"


def test_garbage_before_and_between() -> None:
    """A headless file and one with garbage inside are counted across it."""
    data = mp3(2)[200:] + mp3(50) + b"\xff\xfb\x94\x00" * 30 + mp3(50) + b"\0" * 900
    assert told(data).duration == pytest.approx(101 * MP3_FRAME)


def test_mostly_garbage() -> None:
    """Where most is no frame nothing is believed."""
    data = mp3(10) + b"\0" * 300_000 + mp3(10)
    assert told(data) == AudioInfo(Container.MP3, None, len(data), "most of it is no sound that could be counted")


def test_garbage_without_end() -> None:
    """Frames are not looked for behind a quarter of a megabyte of garbage."""
    assert told(b"\x55" * 270_000 + mp3(100)).container is Container.OTHER


@pytest.mark.parametrize("zeros", [1, 1_000, 300_000, 2_000_000])
def test_zeros_before_the_first_frame(zeros: int) -> None:
    """Room that a tag's editor left is no garbage, however much of it there is."""
    data = b"\0" * zeros + mp3(100)
    assert told(data) == about(Container.MP3, 100 * MP3_FRAME, len(data))
    data = id3(b"x" * 100) + data
    assert told(data).duration == pytest.approx(100 * MP3_FRAME)


def ape(content: bytes, *, header: bool = True, size: int | None = None) -> bytes:
    """An APEv2 tag."""
    length = len(content) + 32 if size is None else size
    footer = b"APETAGEX" + pack("<IIII8x", 2000, length, 1, 0x8000_0000 if header else 0)
    return (b"APETAGEX" + pack("<IIII8x", 2000, length, 1, 0xA000_0000) if header else b"") + content + footer


COVER = bytes(range(256)) * 1_500

ID3_FOOTER = b"3DI" + id3(COVER, 0x10)[3:10]


@pytest.mark.parametrize(
    "tags",
    [
        ape(COVER),
        ape(COVER, header=False),
        ape(COVER) + b"TAG".ljust(128, b"x"),
        id3(COVER),
        id3(COVER, 0x10) + ID3_FOOTER,
        ape(COVER) + id3(COVER, 0x10) + ID3_FOOTER,
        id3(COVER) + ape(COVER) + b"TAG".ljust(128, b"x"),
        b"LYRICSBEGIN" + b"x" * 300 + b"000311LYRICS200" + b"TAG".ljust(128, b"x"),
    ],
)
def test_large_tags_at_the_end(tags: bytes) -> None:
    """A cover larger than the sound is neither sound nor garbage."""
    data = mp3(100) + tags
    assert told(data) == about(Container.MP3, 100 * MP3_FRAME, len(data))


@pytest.mark.parametrize("size", [0, 1, 2**31, 2**32 - 1])
def test_a_tag_that_lies_about_its_size(size: int) -> None:
    """It is no tag then, and what is counted stays what it was."""
    assert told(mp3(100) + ape(b"x" * 60, header=False, size=size)).duration == pytest.approx(100 * MP3_FRAME)


@pytest.mark.parametrize(
    ("header", "length", "seconds"),
    [
        (b"\xff\xfa\x90\x00", 417, 1152 / 44100),  # with a checksum
        (b"\xff\xfb\x92\x00", 418, 1152 / 44100),  # padded
        (b"\xff\xf3\x40\x00", 104, 576 / 22050),
        (b"\xff\xe3\x48\x00", 288, 576 / 8000),
    ],
)
def test_frame_headers(header: bytes, length: int, seconds: float) -> None:
    """MPEG 1, 2 and 2.5 are told apart."""
    assert told(mp3(50, header, length)).duration == pytest.approx(50 * seconds)


@pytest.mark.parametrize(
    "header", [b"\xff\xfb\xf0\x00", b"\xff\xfb\x9c\x00", b"\xff\xe8\x90\x00", b"\xff\xf9\xf0\x00\x04\x1f\xfc"]
)
def test_frame_headers_that_are_none(header: bytes) -> None:
    """A bit rate, sample rate or version that does not exist is no MP3."""
    assert told(mp3(50, header, 417)).container is Container.OTHER


def test_layer_two_is_no_mp3() -> None:
    """MPEG audio layer II is named, and not taken for MP3."""
    data = mp3(50, b"\xff\xfd\x80\x00", 417)
    assert told(data).note == "it looks like MPEG audio layer II (MP2)"


def test_free_format() -> None:
    """Free-format frames are as long as the distance between them, give or take the padding."""
    frame, padded = b"\xff\xfb\x00\x00".ljust(600, b"\1"), b"\xff\xfb\x02\x00".ljust(601, b"\2")
    assert told((frame + padded) * 20).duration == pytest.approx(40 * MP3_FRAME)


def test_free_format_that_is_none() -> None:
    """A free-format header that nothing follows is a coincidence; so is one in the midst of other frames."""
    assert told(b"\xff\xfb\x00\x00" + b"\0" * 9000).container is Container.OTHER
    assert told(mp3(50) + b"\xff\xfb\x00\x00" + b"\0" * 500 + mp3(50)).duration == pytest.approx(100 * MP3_FRAME)


def test_adts() -> None:
    """Bare ADTS is told from MP3 and counted; a last frame that is cut is not."""
    assert told(adts(100)) == about(Container.AAC, 100 * ADTS_FRAME, 10_000)
    assert told(id3(b"x" * 60) + adts(100)[:-50]).duration == pytest.approx(99 * ADTS_FRAME)
    assert told(adts(100)[:-95]).duration == pytest.approx(99 * ADTS_FRAME)


def test_adts_frame_of_no_length() -> None:
    """A frame that claims to be shorter than its header is none."""
    assert told(adts(100).replace(b"\x0c\x9f\xfc", b"\x00\x1f\xfc")).container is Container.OTHER
