"""Where the sound itself ends: the window's end where none is given."""

from __future__ import annotations

import math

from lipsync_async.models import Sound

from .audio import AudioBytes, AudioFile
from .checks import MAX_CUT, MIN_CUT, SLACK


def natural_end(sound: Sound | None, start: object, seconds: float | None = None) -> int | None:
    """The sound's own end in milliseconds, at most 60000 after `start`; None: its length is not known.

    `seconds` is the length where it is known from elsewhere.
    """
    length = _whole_milliseconds(sound, seconds)
    if length is None:
        return None
    begin = start if isinstance(start, int) else 0  # what is wrong with it is told elsewhere
    # A clip that seems a little short of 2 s gets the benefit of the doubt, as it does from `check`.
    length = max(length, min(begin + MIN_CUT, length + SLACK))
    return min(length, begin + MAX_CUT)


def _whole_milliseconds(sound: Sound | None, seconds: float | None) -> int | None:
    """The length, rounded down, for an end past the sound's own is refused; 4.1 s are 4099.999... ms in binary."""
    duration = sound.info.duration if isinstance(sound, AudioFile | AudioBytes) else seconds
    return None if duration is None else math.floor(duration * 1_000 + 1e-6)
