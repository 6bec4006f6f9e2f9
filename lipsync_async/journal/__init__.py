"""The journal: an intent is durable before the first byte is sent, an outcome before the caller sees it.

Here is the SQLite file with one row a job (`record`, `rows`, `schema`, `reader`, `store`) and what is kept beside them
(`entries`), what protects it from being shared, lost, replaced or damaged (`locks`, `trace`, `place`, `files`,
`trouble`), and its use from asyncio (`face`, `thread`, `once`).
Beside it is one in PostgreSQL that many processes write: `claims` says whose a job is, `shared` is its use from
asyncio, and `postgres` its table. `opening` opens either.
It imports the package's errors and nothing else of it.
Start to read at `record`, then `store`, then `face`.
"""

from .claims import Elsewhere, Settled, Taken
from .entries import Entry
from .face import AnyJournal, InlineJournal, Journal
from .locks import holder_of
from .looks import AnyReader
from .opening import is_url, open_journal, open_reader, without_password
from .pruning import prune
from .reader import Reader
from .record import Record, State, Try, iter_result_lines
from .settling import settle
from .store import Store

__all__ = [
    "AnyJournal",
    "AnyReader",
    "Elsewhere",
    "Entry",
    "InlineJournal",
    "Journal",
    "Reader",
    "Record",
    "Settled",
    "State",
    "Store",
    "Taken",
    "Try",
    "holder_of",
    "is_url",
    "iter_result_lines",
    "open_journal",
    "open_reader",
    "prune",
    "settle",
    "without_password",
]
