"""The pre-flight: `check` finds everything that is wrong with a request before it is sent (contract, section 2).

One file a concern: `sound`, `times`, `volumes`, `ids`, `urls`, `origin`, `extra`; the numbers are in `limits`.
Start to read at `preflight.check`, which applies them all.
"""

from .limits import MAX_CUT, MIN_CUT, SLACK
from .money import IDENTIFY_UNITS, SPEECH_UNITS, billed_units, cut_units, estimated_units, sent_units
from .origin import NOT_IDENTIFIED, NOT_SPOKEN, but_pending, speech_faults, too_large_sound, video_faults
from .preflight import check, errors_of, mark_if_clean, warnings_of
from .sound import clip_length
from .times import Facts, insert_window
from .urls import url_faults
from .values import is_given

__all__ = [
    "IDENTIFY_UNITS",
    "MAX_CUT",
    "MIN_CUT",
    "NOT_IDENTIFIED",
    "NOT_SPOKEN",
    "SLACK",
    "SPEECH_UNITS",
    "Facts",
    "billed_units",
    "but_pending",
    "check",
    "clip_length",
    "cut_units",
    "errors_of",
    "estimated_units",
    "insert_window",
    "is_given",
    "mark_if_clean",
    "sent_units",
    "speech_faults",
    "too_large_sound",
    "url_faults",
    "video_faults",
    "warnings_of",
]
