"""What the tests of clips share: a probe of bytes, and answers to compare it with."""

from __future__ import annotations

from io import BytesIO
from typing import cast

import pytest

from lipsync_async.request.audio import AudioInfo, Container, probe

CUT = "it is cut short: its header promises more than there is"

MP3_FRAME = 1152 / 44100

ADTS_FRAME = 1024 / 44100


def told(data: bytes) -> AudioInfo:
    """What a probe of all these bytes says."""
    return probe(BytesIO(data), len(data))


def about(container: Container, duration: float, size: int, note: str = "") -> AudioInfo:
    """An answer whose duration is right to a millionth."""
    return AudioInfo(container, cast("float", pytest.approx(duration)), size, note)
