"""A local video is looked at before it is paid for: container, length, size and sides, by its headers alone."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.request import video
from lipsync_async.request.video import VideoInfo, check_video, file_faults, look_at_video
from tests.clips.build import box, clip, large_box, wav
from tests.request.checks.told import told

MP4 = box(b"ftyp", b"isom\0\0\2\0isommp41")
MOV = box(b"ftyp", b"qt  \0\0\2\0qt  ")
DATA = box(b"mdat", bytes(1000))


def header(milliseconds: int, *, version: int = 0) -> bytes:
    """A movie's header, in units of a millisecond."""
    if version:
        return box(b"mvhd", pack(">IQQIQ", 1 << 24, 0, 0, 1000, milliseconds), bytes(80))
    return box(b"mvhd", pack(">IIIII", 0, 0, 0, 1000, milliseconds), bytes(80))


def track(width: int = 1280, height: int = 720, *, kind: bytes = b"vide", version: int = 0) -> bytes:
    """A track with these sides."""
    times = bytes(32) if version else bytes(20)
    sides = pack(">II", width << 16, height << 16)
    tkhd = box(b"tkhd", bytes([version, 0, 0, 7]), times, bytes(16), bytes(36), sides)
    return box(b"trak", tkhd, box(b"mdia", box(b"hdlr", bytes(8), kind, bytes(12))))


def film(milliseconds: int = 10_000, *tracks: bytes, head: bytes = MP4, movie: bytes | None = None) -> bytes:
    """A whole film."""
    return head + box(b"moov", movie or header(milliseconds), *(tracks or (track(),))) + DATA


def at(tmp_path: Path, data: bytes) -> Path:
    """The file with that content."""
    path = tmp_path / "film.mp4"
    path.write_bytes(data)
    return path


def looked(tmp_path: Path, data: bytes) -> VideoInfo:
    """What its headers say."""
    return look_at_video(at(tmp_path, data))


def faults(**values: object) -> list[tuple[str, str]]:
    """The faults of a film of 10 s that is otherwise right."""
    usual = {"container": "mp4", "size": 1000, "length": 10_000, "sides": (1280, 720)}
    return told(list(file_faults("video_path", VideoInfo(**{**usual, **values}))))  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(("head", "container"), [(MP4, "mp4"), (MOV, "mov"), (b"", "mov")])
def test_the_headers_are_read(tmp_path: Path, head: bytes, container: str, version: int) -> None:
    """Of both versions; a QuickTime file of old begins without `ftyp`."""
    data = film(head=head, movie=header(12_345, version=version) + track(1080, 1920, version=version))
    assert looked(tmp_path, data) == VideoInfo(container=container, size=len(data), length=12_345, sides=(1080, 1920))
    assert check_video(at(tmp_path, data)) == []


def test_the_index_may_stand_behind_the_pictures(tmp_path: Path) -> None:
    """However large they are; a box may have a size of 64 bits, or reach to the end."""
    moov = box(b"moov", header(5000), track(kind=b"soun"), track(640, 640))
    for data in (MP4 + large_box(b"mdat", bytes(5000)) + moov, MP4 + moov + box(b"mdat", bytes(50), size=0)):
        assert looked(tmp_path, data).sides == (640, 640)
        assert looked(tmp_path, data).length == 5000


def test_a_fragmented_film_tells_its_length_elsewhere(tmp_path: Path) -> None:
    """Or nowhere, which is no fault."""
    mehd = box(b"mehd", pack(">II", 0, 7000))
    long = box(b"mehd", pack(">IQ", 1 << 24, 8000))
    parts = box(b"moof", b"") + DATA
    for inside, length in ((box(b"mvex", mehd), 7000), (box(b"mvex", long), 8000), (b"", None)):
        data = MP4 + box(b"moov", header(0), track(), inside) + parts
        assert looked(tmp_path, data).length == length
    silent = MP4 + box(b"moov", header(0), track()) + parts
    assert told(check_video(at(tmp_path, silent))) == [("video", "video_length_unknown?")]


@pytest.mark.parametrize(
    ("data", "rule", "words"),
    [
        (b"", "video_format", "it is empty"),
        (b"\x1a\x45\xdf\xa3" + bytes(50), "video_format", "WebM"),
        (b"<html>", "video_format", "a web page"),
        (wav(), "video_format", "a sound"),
        (clip("phone.3gp"), "video_format", "3GP"),
        (MP4 + DATA, "video_unusable", "no index"),
        (film()[:-1], "video_unusable", "cut short"),
        (MP4 + box(b"moov", header(5000), track(), size=10_000), "video_unusable", "cut short"),
        (film(5000, track(kind=b"soun")), "video_unusable", "no video track"),
    ],
)
def test_what_is_no_video_is_told_in_words(tmp_path: Path, data: bytes, rule: str, words: str) -> None:
    """One fault, which says what the file is instead."""
    (fault,) = check_video(at(tmp_path, data))
    assert (fault.path, fault.rule, fault.severity) == ("video", rule, "error")
    assert words in fault.message


@pytest.mark.parametrize(
    ("length", "rules"),
    [
        (1_899, ["video_too_short"]),
        (1_900, ["video_length_borderline?"]),
        (2_100, ["video_length_borderline?"]),
        (2_101, []),
        (59_899, []),
        (59_900, ["video_length_borderline?"]),
        (60_100, ["video_length_borderline?"]),
        (60_101, ["video_too_long"]),
        (None, ["video_length_unknown?"]),
    ],
)
def test_a_video_lasts_two_to_sixty_seconds(length: int | None, rules: list[str]) -> None:
    """Both sides of each limit, and of the slack around it."""
    assert faults(length=length) == [("video_path", rule) for rule in rules]


@pytest.mark.parametrize(
    ("size", "rules"),
    [
        (100_000_000, []),
        (100_000_001, ["video_large?"]),
        (104_857_600, ["video_large?"]),
        (104_857_601, ["video_too_large"]),
    ],
)
def test_a_video_has_a_hundred_megabytes(size: int, rules: list[str]) -> None:
    """In both readings of it."""
    assert faults(size=size) == [("video_path", rule) for rule in rules]


@pytest.mark.parametrize(
    ("sides", "rules"),
    [
        ((512, 2160), []),
        ((2160, 512), []),
        ((511, 720), ["video_too_small"]),
        ((720, 2161), ["video_sides_too_large"]),
        ((100, 4000), ["video_too_small", "video_sides_too_large"]),
        (None, ["video_sides_unknown?"]),
    ],
)
def test_a_side_has_512_to_2160_pixels(sides: tuple[int, int] | None, rules: list[str]) -> None:
    """Whichever it is."""
    assert faults(sides=sides) == [("video_path", rule) for rule in rules]


def test_a_real_film_is_read(tmp_path: Path) -> None:
    """One that a usual program wrote."""
    found = looked(tmp_path, clip("video.m4a"))
    assert found.container == "mp4"
    assert found.note == ""
    assert found.sides is not None
    assert found.length is not None
    assert 0 < found.length < 60_000


def test_what_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    """A folder, or nothing at all."""
    with pytest.raises(OSError, match=r"directory|regular"):
        look_at_video(tmp_path)
    with pytest.raises(FileNotFoundError):
        look_at_video(tmp_path / "none.mp4")


@given(st.data())
def test_no_bytes_make_it_fail(data: st.DataObject) -> None:
    """A film with damage anywhere is looked at all the same, and so is anything at all."""
    whole = bytearray(film())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1001), max_size=6)):
        whole[place] = data.draw(st.integers(0, 255))
    content = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for odd in (content, data.draw(st.binary(max_size=64)), MP4 + data.draw(st.binary(max_size=64))):
        info = video._read(BytesIO(odd), len(odd))
        list(file_faults("video", info))
        assert info.length is None or info.length >= 0
