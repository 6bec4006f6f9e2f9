"""Job lists: JSONL or CSV in, one `JobLine` a line out.

A list is looked through twice: `JobList.check` finds every fault, and iterating hands the jobs out.
A usual JSON line is read by `plain`, every other one by `lines`.
Neither holds more than a line, and some 18 bytes an id to tell repetitions.
"""

from .inspection import Tell
from .joblist import STDIN, JobList
from .legacy import legacy_id, legacy_request
from .plain import PlainLine
from .record import LONGEST_LINE
from .report import KEPT_FAULTS, KEPT_WARNINGS, JobLine, LineFault, ListReport, Warned

__all__ = [
    "KEPT_FAULTS",
    "KEPT_WARNINGS",
    "LONGEST_LINE",
    "STDIN",
    "JobLine",
    "JobList",
    "LineFault",
    "ListReport",
    "PlainLine",
    "Tell",
    "Warned",
    "legacy_id",
    "legacy_request",
]
