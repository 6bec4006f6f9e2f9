"""Sound, told by its content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.sound import NotSoundError, measure, sniff

from .helpers import adts, box, iso, mp3, wav

ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x04abcd"


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (wav(2), "wav"),
        (b"RF64" + wav(2)[4:], "wav"),
        (mp3(), "mp3"),
        (ID3 + mp3(), "mp3"),
        (ID3, "mp3"),
        (b"ID3", "mp3"),
        (iso(b"soun"), "m4a"),
        (iso(b"soun", brand=b"isom"), "m4a"),
        (adts(), "aac"),
        (ID3 + adts(), "aac"),
    ],
)
def test_containers_are_told_by_content(data: bytes, container: str) -> None:
    """Each container is known by its own first bytes, also behind an ID3 tag."""
    assert sniff(data) == container


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "neither"),
        (b"OggS" + bytes(40), "neither"),
        (b"RIFF\x00\x00\x00\x00AVI " + bytes(40), "neither"),
        (b"\xff\xfd\x90\x00" + bytes(40), "neither"),  # layer II
        (b"\xff\xfb\xf0\x00" + bytes(40), "neither"),  # no such bit rate
        (iso(b"vide", b"soun"), "video track"),
        (iso(b"soun", brand=b"3gp4"), "3gp"),
        (iso(b"text"), "without a sound track"),
        (box(b"ftyp", b"M4A "), "without a sound track"),
    ],
)
def test_what_is_no_sound_is_named(data: bytes, why: str) -> None:
    """Everything else is refused with what it is."""
    with pytest.raises(NotSoundError, match=why):
        sniff(data)


def test_boxes_of_every_size_are_walked() -> None:
    """A box may have 64 bits of size or reach to the end of the file; one of an impossible size ends the walk."""
    media = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"soun" + bytes(13))))
    head = box(b"ftyp", b"M4A " + bytes(4))
    long = (1).to_bytes(4, "big") + b"moov" + (16 + len(media)).to_bytes(8, "big") + media
    assert sniff(head + long) == "m4a"
    assert sniff(head + bytes(4) + b"moov" + media) == "m4a"
    with pytest.raises(NotSoundError):
        sniff(head + (4).to_bytes(4, "big") + b"moov" + media)


@pytest.mark.parametrize("seconds", [0.5, 2, 7.25])
def test_wav_is_measured_exactly(seconds: float) -> None:
    """The length of a WAV file is what it says."""
    sound = measure(wav(seconds))
    assert sound.length_ms == pytest.approx(seconds * 1000)
    assert sound.slack_ms == 1


def test_mp3_is_measured() -> None:
    """The length of an MP3 file is the number of its frames."""
    length = measure(mp3(200)).length_ms
    assert length is not None
    assert length == pytest.approx(200 * 26.12, rel=0.02)


@pytest.mark.parametrize("data", [iso(b"soun"), wav(2)[:20], wav(0)])
def test_a_length_that_cannot_be_told_is_unknown(data: bytes) -> None:
    """What has no length that can be read is not refused for it."""
    assert measure(data).length_ms is None


def test_bare_aac_is_taken_where_the_gateway_takes_it() -> None:
    """ADTS passes only with the flag."""
    assert measure(adts(), accept_aac=True).container == "aac"
    with pytest.raises(NotSoundError, match="ADTS"):
        measure(adts())


HEADS = st.sampled_from(
    [b"", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"\xff\xfb\x90\x00", b"ID3\x03\x00", iso(b"soun")[:60], ID3]
)


@given(HEADS, st.binary(max_size=300))
def test_any_bytes_are_sound_or_not(head: bytes, rest: bytes) -> None:
    """No content makes anything but a measure or a refusal."""
    try:
        sound = measure(head + rest, accept_aac=True)
    except NotSoundError:
        return
    assert sound.length_ms is None or sound.length_ms > 0
