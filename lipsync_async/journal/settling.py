"""What a person found out about a job, where look-ups prove nothing."""

from __future__ import annotations

import os

import msgspec
from anyio import to_thread
from anyio.from_thread import start_blocking_portal

from lipsync_async.errors import JournalError

from .claims import Elsewhere
from .opening import is_url, open_journal, open_reader
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
    if is_url(path):
        with start_blocking_portal() as portal:
            return portal.call(_settle_shared, os.fspath(path), external_task_id, task_id)
    with Reader(path) as reader:
        gateway, account = reader.gateway, reader.account
    store = Store(path, gateway=gateway, account=account)
    try:
        settled = _settled(store.recall(external_task_id), external_task_id, task_id, store.path)
        store.write([settled])
        return settled
    finally:
        store.close()


async def _settle_shared(url: str, external_task_id: str, task_id: str | None) -> Record:
    """The same where many processes write the journal: nobody else may be at work at the job."""
    reader = await to_thread.run_sync(open_reader, url)
    gateway, account = reader.gateway, reader.account
    await to_thread.run_sync(reader.close)
    async with await open_journal(url, gateway=gateway, account=account) as journal:
        if await journal.find(external_task_id) is None:
            raise JournalError(f"the journal {reader.path} holds no job {external_task_id!r}")
        claim = await journal.take(external_task_id)
        if isinstance(claim, Elsewhere):
            raise JournalError(f"{external_task_id} is under way in another process")
        settled = _settled(claim.record, external_task_id, task_id, reader.path)
        await journal.write(settled)
        return settled


def _settled(record: Record | None, external_task_id: str, task_id: str | None, path: str) -> Record:
    if record is None:
        raise JournalError(f"the journal {path} holds no job {external_task_id!r}")
    if record.state not in _IN_DOUBT:
        known = f" as task {record.task_id}" if record.task_id else ""
        raise JournalError(f"{external_task_id} is not in doubt: it is {record.state.value}{known}")
    return msgspec.structs.replace(
        record,
        state=State.CLEARED if task_id is None else State.ACCEPTED,
        task_id=task_id,
        recovered=task_id is not None,
        message="settled by hand",
    )
