"""`feed`: puts a list into the queue of a shared journal's database, for `work` on any machine; sends nothing."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from typing import Any

from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import Gateway, gateway_for
from lipsync_async.jobs import JobList

from .check import tell_warnings
from .faults import Causes
from .printing import say
from .sounds import folder_of
from .tally import ACCEPTED, USAGE

_SHOWN = 20
_NEEDED = "a queue needs procrastinate: pip install 'lipsync-async[procrastinate]'"


def run(args: argparse.Namespace) -> int:
    """Checks the list, then feeds it; gives the exit code. Raises `LipSyncError` where it cannot begin."""
    from lipsync_async.journal import is_url

    if not is_url(args.journal):
        raise ConfigurationError("feed needs a journal that many machines can write: postgresql://...")
    gateway = gateway_for(args.gateway)
    with JobList.open(args.jobs, sounds_under=folder_of(args.sounds_under)) as jobs:
        causes = Causes(_SHOWN)
        report = jobs.check(gateway, id_prefix=args.id_prefix, limit=args.limit, tell=causes.add)
        for cause in causes.told():
            say(cause)
        if causes.left:
            say(f"... and more: lipsync-async check {args.jobs} shows them all")
        tell_warnings(report)
        if not report.ok:
            say(f"nothing was fed: {report.broken} of {report.lines} lines are broken")
            return USAGE
        digest, _ = jobs.digest(gateway, args.id_prefix, args.limit)
        fed = asyncio.run(_feed(args, gateway, jobs, digest))
    say(f"{fed} jobs fed; lipsync-async work --gateway {args.gateway} --journal URL sends them, on any machine")
    return ACCEPTED


async def _feed(args: argparse.Namespace, gateway: Gateway, jobs: JobList, digest: str) -> int:
    from lipsync_async.journal import open_journal

    postgres_queue = queue_of_postgres()
    async with await open_journal(args.journal, gateway=gateway.base_url, account=args.account) as journal:
        packed = _packed(jobs, args.limit)
        return int(await postgres_queue.feed(args.journal, packed, journal=journal, name=digest))


def _packed(jobs: JobList, limit: int | None) -> Iterator[dict[str, Any]]:
    from lipsync_async.engines.packing import pack

    for number, line in enumerate(jobs, 1):
        if limit is not None and number > limit:
            return
        if line.request is not None:
            yield pack(line.request)


def queue_of_postgres() -> Any:
    """The module that knows procrastinate. Raises `ConfigurationError` where that is not installed."""
    try:
        from lipsync_async.engines import postgres_queue
    except ModuleNotFoundError as error:
        raise ConfigurationError(_NEEDED) from error
    return postgres_queue
