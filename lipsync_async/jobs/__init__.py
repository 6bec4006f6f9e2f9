"""Job lists: JSONL or CSV in, one `JobLine` a line out.

A list is looked through twice: `JobList.check` finds every fault, and iterating hands the jobs out.
Neither holds more than a line, and some 18 bytes an id to tell repetitions.
"""

from .inspection import Tell
from .joblist import STDIN, JobList
from .records import LONGEST_LINE
from .report import KEPT_FAULTS, JobLine, LineFault, ListReport, Warned

__all__ = [
    "KEPT_FAULTS",
    "LONGEST_LINE",
    "STDIN",
    "JobLine",
    "JobList",
    "LineFault",
    "ListReport",
    "Tell",
    "Warned",
]
