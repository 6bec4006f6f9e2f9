"""What a request costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lipsync_async.models import LipSyncRequest

from .limits import MAX_CUT
from .values import is_given

_STEP = 5_000
"""Milliseconds that cost half a unit, once begun."""


_SPOKEN = {"en": 15.0, "zh": 4.5}
"""Characters that a voice speaks in a second, more or less."""
IDENTIFY_UNITS = SPEECH_UNITS = 0.05
"""Units at list price of identifying the faces of one video, and of speaking one text (contract, section 7)."""


def billed_units(request: LipSyncRequest) -> float:
    """Units at list price for a valid request: 0.5 per started 5 s of the cut sound (contract, section 7)."""
    steps = sum(-((face.sound_start_time - face.sound_end_time) // _STEP) for face in request.face_choose)
    return 0.5 * max(1, steps)


def cut_units(start: int, end: int) -> float:
    """The same for one cut, in milliseconds."""
    return 0.5 * max(1, -((start - end) // _STEP))


def estimated_units(request: LipSyncRequest) -> float:
    """`sent_units`; where a text is still to be spoken, by a guess at how long that takes."""
    speech = request.speech
    if speech is None or not speech.to_end or is_given(request.face_choose[0].audio_id):
        return sent_units(request)
    pace = _SPOKEN.get(speech.language, _SPOKEN["en"]) * speech.speed
    return 0.5 * max(1, math.ceil(min(len(speech.text) / pace * 1_000, MAX_CUT) / _STEP))


def sent_units(request: LipSyncRequest) -> float:
    """Units at list price of what is really sent: times that `extra_body` puts in place count, not those it replaces.

    A time that is left out or is no number counts as the dearest it can be: a cap must hold whatever is made of it.
    """
    extra = request.extra_body
    if not extra:
        return billed_units(request)
    told = extra.get("face_choose")
    units = billed_units(request) if told is None else _units_of(told)
    if "sound_start_time" in extra or "sound_end_time" in extra:  # beside the faces: who knows which of them counts
        units = max(units, _cut_units(extra))
    return units


def _units_of(faces: object) -> float:
    cuts = faces if isinstance(faces, list | tuple) and faces else [{}]
    return sum(_cut_units(cut if isinstance(cut, Mapping) else {}) for cut in cuts)


def _cut_units(cut: Mapping[Any, Any]) -> float:
    start, end = _time(cut.get("sound_start_time")), _time(cut.get("sound_end_time"))
    length = MAX_CUT if end is None else end - (start or 0)
    return 0.5 * max(1, math.ceil(length / _STEP))


def _time(value: object) -> float | None:
    """A time as a gateway may read it, from a text too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        time = float(value)
    except (ValueError, OverflowError):
        return None
    return time if math.isfinite(time) and abs(time) < 1e15 else None
