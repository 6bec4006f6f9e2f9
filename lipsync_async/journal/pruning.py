"""Forgetting old jobs: what is settled and older than a day that the caller names.

What is forgotten is sent, and paid for, again where a list has it once more; so nothing goes by itself, and nothing
that is in doubt goes at all.
"""

from __future__ import annotations

import os

from anyio.from_thread import start_blocking_portal

from .opening import is_url, open_reader
from .reader import Reader
from .store import Store

AT_ONCE = 5000
"""Rows that are deleted in one transaction."""
# The row with the highest number stays: the side file knows it, and without it this would be taken for an older copy.
_OLD = """SELECT external_task_id FROM jobs WHERE state IN ('accepted', 'rejected', 'not_sent')
AND COALESCE(last_intent_at, first_intent_at, 0) < ? AND seq < (SELECT MAX(seq) FROM jobs) LIMIT ?"""


def prune(path: str | os.PathLike[str], *, before: float, gateway: str = "", account: str = "") -> int:
    """Deletes the settled jobs whose last attempt began before that moment (Unix seconds), and what is kept for them.

    Returns how many. In a database of several journals it is that of the gateway and account.
    Raises `JournalError` where the journal is not there, or, as a file, in use.
    """
    if is_url(path):
        from .postgres.pruning import prune_postgres

        with open_reader(path, gateway=gateway, account=account) as found, start_blocking_portal() as portal:
            return portal.call(prune_postgres, os.fspath(path), found.gateway, found.account, before)
    with Reader(path) as reader:
        owner = reader.gateway, reader.account
    store = Store(path, gateway=owner[0], account=owner[1])
    try:
        return store.prune(_OLD, before, AT_ONCE)
    finally:
        store.close()
