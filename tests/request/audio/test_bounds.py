"""However large a file claims to be, little of it is read."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import pytest

from lipsync_async.request import audio
from lipsync_async.request.audio import AudioInfo, Container, probe
from tests.clips.build import FTYP, adts, box, fragment, fragmented, full, mp3, trak, wav
from tests.request.audio.helpers import CUT


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


def test_import_is_cheap() -> None:
    """The room loads no event loop, no tinytag before it probes and no pybase64 before it sends."""
    heavy = {"aiohttp", "asyncio", "anyio", "cattrs", "pybase64", "tinytag"}
    code = f"import sys, lipsync_async.request.audio; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
