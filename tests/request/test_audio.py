"""What clips hold, by their content alone, and what leaves as their Base64."""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import cast

import pytest

from lipsync_async.request import audio
from lipsync_async.request.audio import (
    SLICE,
    AudioBytes,
    AudioChanged,
    AudioFile,
    AudioInfo,
    Container,
    base64_size,
    probe,
)
from tests.clips.build import (
    CLIPS,
    FTYP,
    MVHD,
    RATE,
    SOUND,
    adts,
    box,
    chunk,
    clip,
    fmt,
    fragment,
    fragmented,
    full,
    id3,
    large_box,
    movie,
    mp3,
    rf64,
    riff,
    trak,
    wav,
)

CUT = "it is cut short: its header promises more than there is"
MP3_FRAME = 1152 / 44100
ADTS_FRAME = 1024 / 44100


def told(data: bytes) -> AudioInfo:
    """What a probe of all these bytes says."""
    return probe(BytesIO(data), len(data))


def about(container: Container, duration: float, size: int, note: str = "") -> AudioInfo:
    """An answer whose duration is right to a millionth."""
    return AudioInfo(container, cast("float", pytest.approx(duration)), size, note)


# --- real clips: the durations are ffprobe's, or the sum of the packets it reads where its own guess is wrong.
REAL = {
    "mp3_2.mp3": (Container.MP3, 2.0376),
    "mp3_cbr128_xing_id3.mp3": (Container.MP3, 5.2767),
    "mp3_vbr_xing.mp3": (Container.MP3, 5.2767),
    "vbr_xing.mp3": (Container.MP3, 3.096),
    "vbr_no_header.mp3": (Container.MP3, 4.104),
    "free_format.mp3": (Container.MP3, 3.096),
    "mpeg25.mp3": (Container.MP3, 3.168),
    "m4a_aac.m4a": (Container.M4A, 5.25),
    "m4a_1_5.m4a": (Container.M4A, 1.5),
    "chapters.m4a": (Container.M4A, 3.0),
    "cover.m4a": (Container.M4A, 3.0),
    "cover_track.mp4": (Container.M4A, 3.0),
    "cover_track.mov": (Container.M4A, 3.0),
    "fragments.m4a": (Container.M4A, 3.064),
    "fragments_after_moov.m4a": (Container.M4A, 3.064),
    "dash.m4a": (Container.M4A, 3.064),
    "smooth.isma": (Container.M4A, 3.064),
    "bare.aac": (Container.AAC, 3.072),
    "id3.aac": (Container.AAC, 3.072),
    "adpcm.wav": (Container.WAV, 3.0615),
    "adpcm_pipe.wav": (Container.WAV, 3.0615),
    "mp3_inside.wav": (Container.WAV, 3.069),
    "aac_inside.wav": (Container.WAV, 3.064),
    "video.m4a": (Container.VIDEO, None),
    "phone.3gp": (Container.THREE_GP, None),
    "layer2.mp2": (Container.OTHER, None),
}


@pytest.mark.parametrize("name", REAL)
def test_real_clip(name: str) -> None:
    """A real clip is what it is, and as long as it is."""
    container, duration = REAL[name]
    info = AudioFile(CLIPS / name).info
    assert (info.container, info.size) == (container, (CLIPS / name).stat().st_size)
    assert info.duration == (None if duration is None else pytest.approx(duration, abs=0.002))


@pytest.mark.parametrize(
    ("codec", "told_as"),
    [(b"Opus", "Opus"), (b"alac", "ALAC"), (b"fLaC", "FLAC"), (b".mp3", "MP3"), (b"mp4a", ""), (b"xxxx", "")],
)
def test_what_an_m4a_holds(codec: bytes, told_as: str) -> None:
    """By its sound track's codec; AAC is what it should be, and needs no word."""
    assert told(movie(trak(samples=3, codec=codec))).codec == told_as


@pytest.mark.parametrize(("kind", "told_as"), [(0x40, ""), (0x67, ""), (0x6B, "MP3"), (0x69, "MP3")])
@pytest.mark.parametrize("long", [b"", b"\x80\x80\x80"])
def test_what_an_mp4a_holds(kind: int, told_as: str, long: bytes) -> None:
    """MP3 in an `mp4a`, by its decoder's object type."""
    descriptor = b"\x03" + long + b"\x19\0\1\0\x04" + long + b"\x11" + bytes([kind]) + b"\x15" * 20
    esds = box(b"esds", b"\0\0\0\0", descriptor)
    stsd = box(b"stsd", pack(">II", 0, 1), box(b"mp4a", b"\0" * 28, esds))
    plain = box(b"stsd", pack(">II", 0, 1), box(b"mp4a", b"\0" * 80))
    track = trak(samples=3)
    assert plain in track
    grown = len(stsd) - len(plain)
    assert told(_regrown(movie(track), plain, stsd, grown)).codec == told_as


def _regrown(data: bytes, old: bytes, new: bytes, grown: int) -> bytes:
    """The file with a box in place of another, and the sizes of all around it."""
    data = data.replace(old, new)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        at = data.index(name) - 4
        size = int.from_bytes(data[at : at + 4], "big") + grown
        data = data[:at] + size.to_bytes(4, "big") + data[at + 4 :]
    return data


def test_a_3gp_names_its_cure() -> None:
    """Phones write `.m4a` with that brand: what to do is in the note."""
    data = movie(trak(samples=3)).replace(b"M4A ", b"3gp4")
    assert (told(data).container, told(data).note) == (
        Container.THREE_GP,
        "its brand is 3gp4: ffmpeg -i IN -vn -c:a aac OUT.m4a makes an m4a of its sound",
    )


def test_every_clip_is_tested() -> None:
    """No clip lies about unused."""
    assert {path.name for path in CLIPS.iterdir() if path.is_file()} - {"README.md", "build.py"} == set(REAL)


def test_name_decides_nothing(tmp_path: Path) -> None:
    """A renamed file is seen through."""
    (tmp_path / "sound.mp3").write_bytes(wav())
    (tmp_path / "sound.wav").write_bytes(clip("mp3_2.mp3"))
    assert AudioFile(tmp_path / "sound.mp3").info.container is Container.WAV
    assert AudioFile(tmp_path / "sound.wav").info.container is Container.MP3


# --- what is refused, by name
LOOKS = {
    "it is empty": b"",
    "it holds nothing but a tag": id3(b"\0" * 100),
    "it looks like FLAC": b"fLaC" + b"\0" * 50,
    "it looks like Ogg (Vorbis or Opus)": b"OggS" + b"\0" * 50,
    "it looks like WebM or Matroska": b"\x1a\x45\xdf\xa3" + b"\0" * 50,
    "it looks like AVI": b"RIFF\0\0\0\0AVI LIST" + mp3(5),
    "it looks like a big-endian WAV (RIFX)": b"RIFX\0\0\0\0WAVE",
    "it looks like AIFF": b"FORM\0\0\0\0AIFFCOMM",
    "it looks like AMR": b"#!AMR\n\x3c",
    "it looks like a JPEG picture": b"\xff\xd8\xff\xe0" + b"\0" * 50,
    "it looks like a web page": b"\xef\xbb\xbf \n<!DOCTYPE html><html>",
    "it looks like JSON": b'{"error": "not found"}',
    "it looks like text": b"hello\n",
    "it looks like nothing that is known": b"\0\1\2\3" * 50,
}


@pytest.mark.parametrize("note", LOOKS)
def test_others_are_named(note: str) -> None:
    """What is no MP3, WAV, M4A or AAC is named for the message."""
    assert told(LOOKS[note]) == AudioInfo(Container.OTHER, None, len(LOOKS[note]), note)


def test_flac_behind_a_tag() -> None:
    """A FLAC file with an ID3 tag is no MP3."""
    assert told(id3(b"x" * 300) + b"fLaC" + b"\0" * 50).note == "it looks like FLAC"


# --- MP3 and ADTS
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


# --- WAV
def test_wav() -> None:
    """Three seconds are three seconds, also behind other chunks."""
    assert told(wav()) == AudioInfo(Container.WAV, 3.0, len(wav()))
    assert told(riff(chunk(b"bext", b"x" * 601), fmt(), chunk(b"data", SOUND), chunk(b"LIST", b"INFO"))).duration == 3.0


def test_extensible_wav() -> None:
    """The codec of an extensible format is in its tail."""
    assert told(riff(fmt(0xFFFE, tail=b"\x16\0\x10\0\0\0\0\0\1\0" + b"\0" * 14), chunk(b"data", SOUND))).duration == 3.0


@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_rf64(name: bytes) -> None:
    """RF64 and BW64 pass as WAV, with the size from their ds64 chunk."""
    assert told(rf64(name=name)) == AudioInfo(Container.WAV, 3.0, len(rf64()))


def test_cut_rf64() -> None:
    """Of a cut RF64 what is there counts."""
    assert told(rf64(promised=100_000)) == AudioInfo(Container.WAV, 3.0, len(rf64()), CUT)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_piped_wav(size: int) -> None:
    """A WAV out of a pipe, whose header was never finished, is counted."""
    note = "its header does not tell its length, which was counted"
    assert told(wav(size=size)) == AudioInfo(Container.WAV, 3.0, len(wav()), note)


def test_cut_wav() -> None:
    """Of a cut WAV what is there counts."""
    assert told(wav()[:-16_000]) == AudioInfo(Container.WAV, 2.0, len(wav()) - 16_000, CUT)


def test_wav_without_sound() -> None:
    """A header that no sound follows has no length: not zero."""
    assert told(wav(b"")).duration is None
    assert (
        told(riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFO"))).note
        == "it holds no sound that could be counted"
    )
    assert told(wav()[:30]).note == "it is cut short: no sound follows its header"


@pytest.mark.parametrize(
    "wrong", [fmt(byte_rate=9), fmt(byte_rate=0), fmt(byte_rate=RATE), fmt(align=0), fmt(7, align=4)]
)
def test_a_wrong_byte_rate(wrong: bytes) -> None:
    """Where two of the header's three figures agree, the third is wrong, and the sound is measured."""
    assert told(riff(wrong, chunk(b"data", SOUND))).duration == 3.0


@pytest.mark.parametrize("head", [b"ABCD", b"LIST", b"id3 ", b"0000"])
def test_a_size_of_zero_before_samples_that_look_like_letters(head: bytes) -> None:
    """They are no chunk, for no chunk follows where it would end: the sound is counted."""
    sound = head * 3 + SOUND[12:]
    found = told(wav(sound, 0))
    assert (found.duration, found.container) == (3.0, Container.WAV)


def test_a_size_of_zero_before_other_chunks() -> None:
    """Chunks up to the very end: there is no sound."""
    data = riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFOISFT"), chunk(b"odd ", b"123"))
    assert told(data).duration is None


@pytest.mark.parametrize(
    "wrong", [fmt(byte_rate=9, align=3), fmt(rate=0), fmt(2, align=0), fmt(2, rate=0), fmt(tag=0x50, byte_rate=0)]
)
def test_format_that_contradicts_itself(wrong: bytes) -> None:
    """A format that can't be right gives no length."""
    assert told(riff(wrong, chunk(b"fact", pack("<I", 1)), chunk(b"data", SOUND))).duration is None


def test_codec_that_does_not_tell() -> None:
    """A codec without a fixed rate is believed only when the header has its length."""
    mpeg = fmt(0x55, byte_rate=16_000)
    assert told(riff(mpeg, chunk(b"data", SOUND))).note == "its codec (0x0055) does not tell its length"
    assert told(riff(mpeg, chunk(b"fact", pack("<I", 24_000)), chunk(b"data", SOUND))).duration == 3.0
    assert told(riff(mpeg, chunk(b"fact", pack("<I", 80_000)), chunk(b"data", SOUND))).note == (
        "its header says 10 s, its content 3 s"
    )
    assert told(riff(mpeg, chunk(b"fact", pack("<I", 24_000)), chunk(b"data", SOUND))[:-9]).note == CUT


@pytest.mark.parametrize("rate", [100, 100_000_000])
def test_absurd_bit_rates(rate: int) -> None:
    """A length that no codec has for so many bytes is not believed."""
    assert "absurd" in told(riff(fmt(rate=rate, byte_rate=rate * 2), chunk(b"data", SOUND))).note


def test_chunks_without_end() -> None:
    """A thousand chunks are enough of them."""
    assert told(riff(b"abcd\0\0\0\0" * 1001, fmt(), chunk(b"data", SOUND))).duration is None


# --- ISO
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


# --- what is bounded
class Endless(BytesIO):
    """A source that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        """Bytes without end."""
        assert size is not None
        assert 0 <= size <= audio.probing.WINDOW
        self.taken += size
        return super().read(size).ljust(size, b"\0")


@pytest.mark.parametrize("start", [b"", mp3(100), adts(100), FTYP, fragmented(fragment(full(b"trun", 2)))])
def test_huge_files_are_not_read(start: bytes) -> None:
    """Of a huge file eight megabytes are read, and no length is made up."""
    source = Endless(start)
    assert probe(source, 2**62).duration is None
    assert source.taken == audio.probing.WINDOW


def test_huge_wav() -> None:
    """The length of a huge WAV is in its header, and the claimed size vouches for it."""
    assert probe(Endless(wav(size=160_000_000)), 160_000_044).duration == 10_000
    assert probe(Endless(wav(size=160_000_000)), 16_000_044).note == CUT


def test_huge_movie() -> None:
    """The length of a huge movie is in its header, when that comes first."""
    head = FTYP + box(b"moov", full(b"mvhd", 0, 0, 1000, 3_600_000), trak(samples=3600))
    assert probe(Endless(head + box(b"mdat", size=60_000_008)), len(head) + 60_000_008).duration == 3600


def test_claimed_size_beyond_the_content() -> None:
    """A source that ends before its claimed size is as long as it is."""
    assert probe(BytesIO(wav()), 2**62) == AudioInfo(Container.WAV, 3.0, 2**62)


# --- files and bytes
def test_file(tmp_path: Path) -> None:
    """A file is probed once, and tells path, size and container."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    sound = AudioFile(str(path))
    assert sound.path == path
    assert (sound.size, sound.info.duration) == (len(wav()), 3.0)
    assert repr(sound) == f"<AudioFile {str(path)!r}, 48044 bytes, wav>"
    assert sound.digest() == sound.digest() == hashlib.sha256(wav()).hexdigest()


def test_bytes() -> None:
    """Bytes have the interface of a file, and no content in their repr."""
    sound = AudioBytes(wav())
    assert repr(sound) == "<AudioBytes 48044 bytes, wav>"
    assert sound.info == told(wav())
    assert sound.digest() == sound.digest() == hashlib.sha256(wav()).hexdigest()
    assert b"".join(sound.slices()) == base64.b64encode(wav())


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), b"abc"])
def test_bytes_of_any_kind(data: bytes) -> None:
    """A bytearray or memoryview is copied, so that it can't change."""
    assert AudioBytes(data) == AudioBytes(b"abc")


@pytest.mark.parametrize("data", [5, "abc", None, [1]])
def test_what_is_not_bytes(data: object) -> None:
    """Anything else is a mistake: bytes(5) would be five zeros."""
    with pytest.raises(TypeError, match="sound must be bytes, not"):
        AudioBytes(data)


@pytest.mark.parametrize("size", [0, 1, 2, 3, SLICE - 1, SLICE, SLICE + 1, 2 * SLICE])
def test_slices(tmp_path: Path, size: int) -> None:
    """The slices join to the Base64 of the file, of exactly the promised length."""
    path = tmp_path / "a"
    path.write_bytes(data := (b"\xff\xd8\xff" * size)[:size])
    for sound in (AudioFile(path), AudioBytes(data)):
        text = b"".join(sound.slices())
        assert text == base64.b64encode(data)
        assert len(text) == sound.base64_length
        assert all(len(piece) <= SLICE * 4 // 3 for piece in sound.slices())


@pytest.mark.parametrize("sound", [AudioFile(CLIPS / "mp3_2.mp3"), AudioBytes(clip("mp3_2.mp3"))])
def test_values(sound: AudioFile | AudioBytes) -> None:
    """Both are values: frozen, hashable, equal to their pickled selves, also once the digest is known."""
    again = pickle.loads(pickle.dumps(sound))
    sound.digest()
    assert {sound, again, pickle.loads(pickle.dumps(sound))} == {sound}
    assert again.info == sound.info
    assert b"".join(again.slices()) == b"".join(sound.slices())
    with pytest.raises(AttributeError):
        sound.info = told(b"")  # type: ignore[misc]


def test_another_file_is_another_value(tmp_path: Path) -> None:
    """The same path with another size or time is another file."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    first = AudioFile(path)
    path.write_bytes(b"abcd")
    assert AudioFile(path) != first


def test_no_file(tmp_path: Path) -> None:
    """What is no regular file raises as open does, at once."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        AudioFile(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        AudioFile(tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        AudioFile(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        AudioFile("/dev/null")


def later(path: Path) -> None:
    """Move the modification time on, for a file system whose clock is coarse."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


def append(path: Path) -> None:
    """Make it longer."""
    path.write_bytes(path.read_bytes() + b"more")


def truncate(path: Path) -> None:
    """Make it shorter."""
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    """Other content of the same size."""
    path.write_bytes(bytes(path.stat().st_size))
    later(path)


def replace(path: Path) -> None:
    """Another file in its place, of the same size, content and time."""
    found, other = path.stat(), path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


def touch(path: Path) -> None:
    """A later time alone: nobody knows what happened in between."""
    later(path)


def remove(path: Path) -> None:
    """No file any more."""
    path.unlink()


def make_directory(path: Path) -> None:
    """A directory in its place."""
    path.unlink()
    path.mkdir()


CHANGES = [append, truncate, rewrite, replace, touch, remove, make_directory]


@pytest.fixture
def file(tmp_path: Path) -> AudioFile:
    """A WAV file that is sent in two slices."""
    (tmp_path / "a.wav").write_bytes(wav())
    return AudioFile(tmp_path / "a.wav")


@pytest.mark.parametrize("change", CHANGES)
def test_changed_before(file: AudioFile, change: object) -> None:
    """Of a file that changed after the check nothing leaves, and it has no digest."""
    assert callable(change)
    change(file.path)
    with pytest.raises(AudioChanged, match="changed after it was checked"):
        next(file.slices())
    with pytest.raises(AudioChanged):
        file.digest()


@pytest.mark.parametrize("change", CHANGES)
def test_changed_meanwhile(file: AudioFile, change: object) -> None:
    """Of a file that changes while it is sent the last slice never leaves."""
    assert callable(change)
    slices = file.slices()
    first = next(slices)
    change(file.path)
    with pytest.raises(AudioChanged) as caught:
        list(slices)
    assert len(first) < file.base64_length
    assert caught.value.filename == str(file.path)


def test_changed_without_a_trace(file: AudioFile) -> None:
    """A rewrite that size, time and inode do not show is seen by its content, once the digest is known."""
    file.digest()
    file.path.write_bytes(bytes(file.size))
    os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns))
    slices = file.slices()
    next(slices)
    with pytest.raises(AudioChanged):
        list(slices)


def test_a_fresh_file_that_changed_without_a_trace(file: AudioFile) -> None:
    """Just written, it may be written again within one tick: what was sent once is what is sent again, or nothing."""
    list(file.slices())
    file.path.write_bytes(bytes(file.size))
    os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns))
    with pytest.raises(AudioChanged):
        list(file.slices())


@pytest.mark.parametrize(("age", "hashed"), [(-60, True), (1, True), (60, False)])
def test_only_a_fresh_file_is_hashed_as_it_is_sent(tmp_path: Path, age: int, hashed: bool) -> None:
    """Any write to an older one shows in its time, and a time to come tells nothing."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    written = time.time_ns() - age * 10**9
    os.utime(path, ns=(written, written))
    sound = AudioFile(path)
    assert b"".join(sound.slices()) == base64.b64encode(wav())
    assert (sound._digest is not None) is hashed
    assert sound.digest() == hashlib.sha256(wav()).hexdigest()
    path.write_bytes(bytes(sound.size))
    later(path)
    with pytest.raises(AudioChanged):
        next(sound.slices())


def test_empty_file_that_vanishes(tmp_path: Path) -> None:
    """An empty file has no slices, and is checked all the same."""
    (tmp_path / "a").touch()
    sound = AudioFile(tmp_path / "a")
    assert list(sound.slices()) == []
    sound.path.unlink()
    with pytest.raises(AudioChanged):
        list(sound.slices())


def test_changed_error_is_a_value(file: AudioFile) -> None:
    """The error survives pickling, file name and all."""
    file.path.unlink()
    with pytest.raises(AudioChanged) as caught:
        list(file.slices())
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (AudioChanged, str(caught.value))


def open_files() -> int:
    """How many files this process has open; 0 where that can't be seen."""
    seen = Path("/proc/self/fd")
    return len(list(seen.iterdir())) if seen.exists() else 0


def test_slices_left_early_close_the_file(file: AudioFile) -> None:
    """A sender that gives up leaves no file open."""
    before = open_files()
    slices = file.slices()
    next(slices)
    slices.close()  # type: ignore[attr-defined]
    assert open_files() == before


# --- Base64 that is given as text
@pytest.mark.parametrize("size", [0, 1, 2, 3, 48, 49_150, 49_152, 49_153, 200_000])
def test_base64_is_measured(size: int) -> None:
    """Base64 text is as large as what it holds."""
    assert base64_size(base64.b64encode(bytes(range(256)) * 800)[: (size + 2) // 3 * 4].decode()) == (size + 2) // 3 * 3
    assert base64_size(base64.b64encode(b"\xfb" * size).decode()) == size


@pytest.mark.parametrize(
    "text",
    [
        "QUJD=",
        "QUJ",
        "QQ",
        "Q===",
        "====",
        "QUJ-",
        "QUJ_",
        "QU JD",
        "QUJD\n",
        "Q=JD",
        "data:audio/mp3;base64,QUJD",
        "QUJé",
        "QUJＤ",
    ],
)
def test_what_is_not_base64(text: str) -> None:
    """Another alphabet, white space, missing or misplaced padding: not Base64."""
    assert base64_size(text) is None


def test_base64_is_read_to_its_end() -> None:
    """A fault far behind is found."""
    assert base64_size("QUJD" * 50_000 + "QU?D") is None


def test_import_is_cheap() -> None:
    """The room loads no event loop, no tinytag before it probes and no pybase64 before it sends."""
    heavy = {"aiohttp", "asyncio", "anyio", "cattrs", "pybase64", "tinytag"}
    code = f"import sys, lipsync_async.request.audio; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
