"""The journal: an intent is durable before the first byte is sent, an outcome before the caller sees it.

Here is the SQLite file with one row a job (`record`, `rows`, `schema`, `reader`, `store`) and
what is kept beside them (`entries`), what protects it from being
shared, lost, replaced or damaged (`claim`, `trace`, `place`, `files`, `trouble`), and its use from asyncio (`face`,
`thread`, `sharing`).
It imports the package's errors and nothing else of it.
Start to read at `record`, then `store`, then `face`.
"""

from .claim import holder_of
from .entries import Entry
from .face import AnyJournal, InlineJournal, Journal
from .reader import Reader
from .record import Record, State, Try, iter_result_lines
from .settling import settle
from .store import Store

__all__ = [
    "AnyJournal",
    "Entry",
    "InlineJournal",
    "Journal",
    "Reader",
    "Record",
    "State",
    "Store",
    "Try",
    "holder_of",
    "iter_result_lines",
    "settle",
]
