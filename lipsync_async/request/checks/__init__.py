"""The pre-flight: `check` finds everything that is wrong with a request before it is sent (contract, section 2).

One file a concern: `sound`, `times`, `volumes`, `ids`, `urls`, `extra`; the numbers are in `limits`.
Start to read at `preflight.check`, which applies them all.
"""

from .limits import MAX_CUT, MIN_CUT, SLACK
from .money import billed_units, sent_units
from .preflight import check, errors_of, mark_if_clean, warnings_of
from .sound import clip_length
from .times import Facts
from .urls import url_faults
from .values import is_given

__all__ = [
    "MAX_CUT",
    "MIN_CUT",
    "SLACK",
    "Facts",
    "billed_units",
    "check",
    "clip_length",
    "errors_of",
    "is_given",
    "mark_if_clean",
    "sent_units",
    "url_faults",
    "warnings_of",
]
