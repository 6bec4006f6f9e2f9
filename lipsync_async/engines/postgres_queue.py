"""procrastinate in front of the journal, in the same database: a list is fed once, and worked at by any machine.

procrastinate leaves three things to its user, and all are here. The jobs of a worker that died are handed out again
(`_sweep`). A worker whose database restarts raises, and is started again (`work`). A list whose feeding broke off goes
on where it was (`feed`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ProcrastinateException

from lipsync_async.client import LipSyncClient
from lipsync_async.config import RunOptions
from lipsync_async.journal import AnyJournal
from lipsync_async.journal.postgres.opening import read_url
from lipsync_async.journal.shared import rest

from .delivered import submit_delivered

QUEUE, TASK = "lipsync", "lipsync.submit"
AT_ONCE = 1000
"""Jobs that are fed in one statement."""
ATTEMPTS, WAIT = 1000, 5
"""How often a job that was not sent is handed out again, and after how many seconds."""
HEARTBEAT, STALLED = 3.0, 10.0
"""Seconds between two heartbeats of a worker, and from the last one until its jobs are another's."""
_LAST = """
SELECT max((args->>'place')::int) AS place FROM procrastinate_jobs
WHERE queue_name = %(queue)s AND args->>'fed_from' = %(name)s
"""
_PAUSE = 1.0
_log = logging.getLogger("lipsync_async")
_TROUBLE = (ProcrastinateException, psycopg.Error, OSError)


def make_app(url: str) -> procrastinate.App:
    """The app of that database; its one task is there by name, and `work` gives it a body."""
    return procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=read_url(url).url, min_size=1))


async def prepare(app: procrastinate.App) -> None:
    """Makes procrastinate's tables where there are none."""
    found = await app.connector.execute_query_one_async("SELECT to_regclass('procrastinate_jobs')::text AS name")
    if found["name"] is None:
        await app.schema_manager.apply_schema_async()


async def feed(url: str, jobs: Iterable[dict[str, Any]], *, journal: AnyJournal, name: str) -> int:
    """Puts packed jobs into the queue; returns how many.

    `name` tells the list: where its feeding broke off it goes on.
    A process may have died between a piece and its note, so the queue is asked as well, which tells each job's place.
    """
    note = f"fed {name}"
    noted = int(await asyncio.to_thread(journal.reader.note, note) or 0)
    app = make_app(url)
    async with app.open_async():
        await prepare(app)
        known = fed = max(noted, await _last_place(app, name))
        configured = app.configure_task(TASK, queue=QUEUE)
        for piece in _pieces(jobs, name, known):
            await configured.batch_defer_async(*piece)
            fed = piece[-1]["place"]
            await journal.remember(note, str(fed))
    return fed - known


def _pieces(jobs: Iterable[dict[str, Any]], name: str, known: int) -> Iterator[list[Any]]:
    waiting = islice(enumerate(jobs, 1), known, None)
    while piece := [{"job": job, "fed_from": name, "place": place} for place, job in islice(waiting, AT_ONCE)]:
        yield piece


async def _last_place(app: procrastinate.App, name: str) -> int:
    """The place in that list of the last of its jobs that is in the queue; 0: there is none."""
    found = await app.connector.execute_query_one_async(_LAST, queue=QUEUE, name=name)
    return int(found["place"] or 0)


async def work(
    url: str,
    client: LipSyncClient,
    journal: AnyJournal,
    *,
    concurrency: int,
    until_empty: bool = False,
    account: str = "default",
    options: RunOptions | None = None,
) -> None:
    """Works at the queue until it is told to stop by a signal, or until nothing is left in it.

    What a worker cannot stand (its database restarts) is survived.
    """
    while True:
        try:
            async with _opened(url, client, journal, account, options) as app:
                await _work_once(app, concurrency, until_empty=until_empty)
                if not until_empty or await _is_empty(app):
                    return
        except _TROUBLE as error:
            _log.warning("the queue does not answer, and is asked again: %s", error)
        await asyncio.sleep(_PAUSE)


@asynccontextmanager
async def _opened(
    url: str, client: LipSyncClient, journal: AnyJournal, account: str, options: RunOptions | None
) -> AsyncIterator[procrastinate.App]:
    app = make_app(url)
    again = procrastinate.RetryStrategy(max_attempts=ATTEMPTS, wait=WAIT)

    @app.task(name=TASK, queue=QUEUE, retry=again)
    async def submit(job: dict[str, Any], **_: Any) -> str:
        return await submit_delivered(client, job, journal=journal, account=account, options=options)

    async with app.open_async():
        await prepare(app)
        yield app


async def _work_once(app: procrastinate.App, concurrency: int, *, until_empty: bool) -> None:
    ended = asyncio.Event()
    sweeper = asyncio.create_task(_sweep_on(app, ended), name="lipsync-sweeper")
    try:
        await app.run_worker_async(
            queues=[QUEUE],
            concurrency=concurrency,
            wait=not until_empty,
            install_signal_handlers=not until_empty,
            update_heartbeat_interval=HEARTBEAT,
            stalled_worker_timeout=STALLED,
            fetch_job_polling_interval=_PAUSE,
        )
    finally:
        ended.set()
        sweeper.cancel()
        await asyncio.wait([sweeper])


async def _sweep_on(app: procrastinate.App, ended: asyncio.Event) -> None:
    # A cancellation alone may not end it: one may get lost below, or come out as an error, which is suppressed here.
    while not ended.is_set():
        with suppress(*_TROUBLE):  # another sweeper may have been first, and the worker tells of the rest
            await sweep(app)
        await rest(HEARTBEAT, ended)


async def sweep(app: procrastinate.App) -> int:
    """Hands out again what dead workers had; returns how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED))
    for job in stalled:
        with suppress(*_TROUBLE):
            await app.job_manager.retry_job(job)
    return len(stalled)


async def _is_empty(app: procrastinate.App) -> bool:
    queues = list(await app.job_manager.list_queues_async(queue=QUEUE))
    return not any(queue["todo"] + queue["doing"] for queue in queues)
