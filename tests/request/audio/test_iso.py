"""MP4, M4A and 3GP: boxes, tables and fragments."""

from __future__ import annotations

from struct import pack

import pytest

from lipsync_async.request.audio import AudioInfo, Container
from tests.clips.build import FTYP, MVHD, box, clip, fragment, fragmented, full, large_box, movie, trak
from tests.request.audio.helpers import CUT, told


def test_movie() -> None:
    """Three samples of a second are three seconds, whatever the version of the boxes and the size's width."""
    assert told(movie(trak(samples=3))) == AudioInfo(Container.M4A, 3.0, len(movie(trak(samples=3))))
    assert told(movie(trak(samples=3, version=1))).duration == 3.0
    data = FTYP + large_box(b"moov", MVHD + trak(samples=3)) + box(b"mdat", b"\1" * 3000, size=0)
    assert told(data) == AudioInfo(Container.M4A, 3.0, len(data))
    assert told(data.removeprefix(FTYP)).duration == 3.0


@pytest.mark.parametrize(("claim", "duration"), [(0, 3.0), (2900, 2.9), (1000, None), (9000, None), (0xFFFFFFFF, None)])
def test_header_and_tables_must_agree(claim: int, duration: float | None) -> None:
    """The movie's header counts where the sample tables agree with it; where they don't nothing does."""
    assert told(movie(trak(samples=3), mvhd=full(b"mvhd", 0, 0, 1000, claim))).duration == duration


def test_tables_that_lie() -> None:
    """Absurd counts, no time scale, or no table at all: no length."""
    assert told(movie(trak(samples=2**32 - 1))).duration is None
    assert told(movie(trak(samples=3, scale=0))).duration is None
    assert told(movie(trak())).duration is None
    assert told(movie(trak(samples=3, claimed=2**32 - 1))).duration == 3.0


def test_video_track() -> None:
    """Any video track makes it a video, also a short one and one of pictures."""
    for track in (trak(b"vide", 30, codec=b"avc1"), trak(b"vide", 2, codec=b"jpeg"), trak(b"vide", 0, codec=b"png ")):
        assert told(movie(trak(samples=3), track)).container is Container.VIDEO
    assert told(movie(trak(b"vide", 1, codec=b"mp4v"))).note == "it has a video track (mp4v)"


def test_tracks_that_are_no_video() -> None:
    """A track of one picture is a cover; text is text."""
    assert told(movie(trak(samples=3), trak(b"vide", 1, codec=b"jpeg"), trak(b"text", 9))).duration == 3.0


def test_movie_without_sound() -> None:
    """Text alone is refused."""
    assert told(movie(trak(b"text", 9))).note == "it is an MP4 file without sound"


@pytest.mark.parametrize("brand", [b"3gp4", b"3gp5", b"3g2a", b"3gr6"])
def test_3gp(brand: bytes) -> None:
    """Every brand of 3GP is known for what it is."""
    assert told(box(b"ftyp", brand, b"\0\0\0\0isom") + movie(trak(samples=3))[16:]).container is Container.THREE_GP


def test_compatible_brands_do_not_count() -> None:
    """An M4A that is compatible with 3GP is an M4A."""
    assert told(box(b"ftyp", b"M4A ", b"\0\0\0\0", b"3gp4") + movie(trak(samples=3))[16:]).duration == 3.0


def test_cut_movie() -> None:
    """A cut M4A has no length; without its index it is an M4A only when its brand says so."""
    assert told(movie(trak(samples=3))[:-1]) == AudioInfo(Container.M4A, None, len(movie(trak(samples=3))) - 1, CUT)
    assert told(clip("cover.m4a")[:-1000]).note == CUT
    assert told(FTYP + box(b"mdat", b"\1" * 3000)).container is Container.M4A
    assert told(box(b"ftyp", b"isom") + box(b"mdat", b"\1" * 3000)).container is Container.OTHER


def test_fragments() -> None:
    """Fragments are summed: by sample, by fragment, and by the file's default."""
    by_sample = full(b"trun", 2, 0, 0, 500, 1, 700, 1, flags=0x305)
    by_fragment = fragment(full(b"trun", 4), tfhd=full(b"tfhd", 1, 0, 0, 0, 250, flags=0x0B))
    plain = full(b"tfhd", 1, 250, flags=0x08)
    assert told(fragmented(fragment(by_sample))).duration == pytest.approx(1.2)
    assert told(fragmented(by_fragment, fragment(full(b"trun", 4), tfhd=plain))).duration == pytest.approx(2.0)
    assert told(fragmented(fragment(full(b"trun", 1), full(b"trun", 2), sound=3000))).duration == pytest.approx(3.0)


def test_fragments_that_lie() -> None:
    """A count beyond the box's end adds nothing, one without any entries is absurd."""
    assert told(fragmented(fragment(full(b"trun", 2**32 - 1, 500, flags=0x100)))).duration == pytest.approx(0.5)
    assert "absurd" in told(fragmented(fragment(full(b"trun", 2**32 - 1)))).note


def test_cut_fragments() -> None:
    """A fragmented file that is cut has no length, wherever it was cut."""
    data = fragmented(fragment(full(b"trun", 1)), fragment(full(b"trun", 1)))
    assert told(data[:-1]).note == CUT
    assert told(data[:-1008]).note == CUT
    assert told(clip("fragments.m4a")[:6000]).duration is None


def test_boxes_that_do_not_end() -> None:
    """Sizes that are too small, too large or nested without end neither loop nor raise."""
    nested = b"".join(pack(">I", 80_000 - 8 * depth) + b"moov" for depth in range(10_000))
    assert told(nested).container is Container.OTHER
    assert told(FTYP + pack(">I4sQ", 1, b"moov", 2**63) + MVHD + trak(samples=3)).note == CUT
    assert told(FTYP + pack(">I4sQ", 1, b"moov", 3)).container is Container.M4A
    assert told(FTYP + box(b"free", size=7)).container is Container.M4A
    assert told(FTYP + box(b"free") * 100_001 + movie(trak(samples=3))).duration is None
