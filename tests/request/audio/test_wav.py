"""WAV and RF64: the chunks, and headers that lie or were never finished."""

from __future__ import annotations

from struct import pack

import pytest

from lipsync_async.request.audio import AudioInfo, Container
from tests.clips.build import RATE, SOUND, chunk, fmt, rf64, riff, wav
from tests.request.audio.helpers import CUT, told


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
