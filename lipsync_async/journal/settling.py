"""What a person found out about a job, where look-ups prove nothing."""

from __future__ import annotations

import os

import msgspec

from lipsync_async.errors import JournalError

from .reader import Reader
from .record import Record, State
from .store import Store

_IN_DOUBT = frozenset({State.OPEN, State.UNKNOWN})


def settle(path: str | os.PathLike[str], external_task_id: str, *, task_id: str | None) -> Record:
    """Writes down that a job in doubt was accepted as `task_id`, or, with None, that the gateway has no task of it.

    Without a task the next run with its list sends the job again.
    Returns the job as it is written.
    Raises `JournalError` where the journal does not hold the id, is in use, or knows what became of the job.
    """
    with Reader(path) as reader:
        gateway, account = reader.gateway, reader.account
    store = Store(path, gateway=gateway, account=account)
    try:
        record = store.recall(external_task_id)
        if record is None:
            raise JournalError(f"the journal {store.path} holds no job {external_task_id!r}")
        if record.state not in _IN_DOUBT:
            known = f" as task {record.task_id}" if record.task_id else ""
            raise JournalError(f"{external_task_id} is not in doubt: it is {record.state.value}{known}")
        settled = msgspec.structs.replace(
            record,
            state=State.CLEARED if task_id is None else State.ACCEPTED,
            task_id=task_id,
            recovered=task_id is not None,
            message="settled by hand",
        )
        store.write([settled])
        return settled
    finally:
        store.close()
