"""The journal: intent is durable before the first byte is sent, the outcome before the caller sees it.

`Store` is the plain, synchronous file; `Journal` is the thread around it that commits whatever is queued.
`InlineJournal` is its stand-in without a thread.
`Reader` looks at a journal without claiming it.
"""

from .face import AnyJournal, InlineJournal, Journal
from .reader import Reader
from .record import Record, State, Try, iter_result_lines
from .store import Store

__all__ = ["AnyJournal", "InlineJournal", "Journal", "Reader", "Record", "State", "Store", "Try", "iter_result_lines"]
