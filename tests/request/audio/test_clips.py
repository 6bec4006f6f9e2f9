"""Real clips, and files of other kinds by their name."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest

from lipsync_async.request.audio import AudioFile, AudioInfo, Container
from tests.clips.build import CLIPS, box, clip, id3, movie, mp3, trak, wav
from tests.request.audio.helpers import told

# --- real clips -----------------------------------------------------------------------------------------------------

# The durations are ffprobe's, or the sum of the packets it reads where its own guess is wrong.
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


# --- what is refused, by name ---------------------------------------------------------------------------------------


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
