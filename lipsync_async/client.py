"""`LipSyncClient`: lifecycle, and the three ways to hand in jobs. All the work is the dispatcher's."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, MutableMapping, Sequence
from types import TracebackType
from typing import Self

import aiohttp
import anyio
from attrs import evolve

from lipsync_async.config import RunOptions
from lipsync_async.dispatch.account import Account, Observer
from lipsync_async.dispatch.jobbook import UNHASHABLE, Job, Jobbook, hash_sound
from lipsync_async.dispatch.pacing import Pacer, PacerStatistics
from lipsync_async.dispatch.run import YIELD_EVERY, Run
from lipsync_async.dispatch.streaming import (
    CANCELLED,
    STOPPED,
    Jobs,
    JournalLike,
    OnProgress,
    Opened,
    OutcomeStream,
    Progress,
    Requests,
    drain,
    tell_progress,
)
from lipsync_async.request.checks import check
from lipsync_async.wire.credential import ApiKey, Credential, usable_key
from lipsync_async.wire.identity import derive_id
from lipsync_async.wire.transport import Transport, make_session, proxy_from_environment, warn_of_small_pool

from .config import Limits, RetryPolicy, Timeouts
from .errors import ClientClosedError, ConfigurationError, DuplicateIdError, InvalidRequestError
from .gateways import Gateway, gateway_for
from .models import LipSyncRequest
from .outcomes import Accepted, BatchResult, Outcome
from .terms import Kind

FALLBACK_KEY_VARIABLE = "LIPSYNC_API_KEY"


class LipSyncClient:
    """One account at one gateway: what it allows is learned once and shared by all that is submitted through it.

    Use it as an async context manager, in one event loop.
    Raises `ConfigurationError` where there is no usable key or address.
    """

    def __init__(
        self,
        gateway: str | Gateway,
        *,
        api_key: ApiKey | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        session: aiohttp.ClientSession | None = None,
        trust_env: bool = False,
        trust_lookups: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self._gateway = gateway_for(gateway)
        try:
            self._key = api_key if callable(api_key) else find_key(self._gateway, api_key)
        finally:
            del api_key  # the frame of an error holds no key
        self._limits = limits or Limits()
        self._retry = retry or RetryPolicy()
        self._timeouts = timeouts or Timeouts()
        self._borrowed = session
        self._trust_env = trust_env
        self._trust_lookups = trust_lookups
        self._observer = observer
        self._session: aiohttp.ClientSession | None = None
        self._account: Account | None = None
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "not entered" if self._account is None else repr(self._account.pacer)
        return f"<LipSyncClient {self._gateway.name}, {state}>"

    # -- lifecycle --------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._closed or self._account is not None:
            raise ClientClosedError("a LipSyncClient is entered once")
        proxy = proxy_from_environment(self._gateway.base_url) if self._trust_env else None
        session = self._borrowed or make_session()
        if self._borrowed is not None:
            warn_of_small_pool(session, self._limits)
        self._session = session
        self._account = Account(
            self._gateway,
            Transport(session, self._timeouts, proxy=proxy),
            Credential(self._key),
            Pacer(self._limits),
            self._retry,
            observer=self._observer,
        )
        self._account.trusts_lookups = self._trust_lookups
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stops what still runs and closes what is ours; a borrowed session stays open. May be called twice."""
        self._closed = True
        try:
            if self._account is not None and self._account.runs:
                self._account.stop(STOPPED)
                await drain(tuple(self._account.runs), self._timeouts.grace)
        finally:
            session, self._session = self._session, None
            if session is not None and session is not self._borrowed:
                with anyio.CancelScope(shield=True):
                    await session.close()

    def __del__(self) -> None:
        if getattr(self, "_session", None) is not None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=1)

    def stop(self) -> None:
        """Ends all batches gracefully: requests in flight finish, the rest comes out as not sent."""
        if self._account is not None:
            self._account.stop(STOPPED)

    def waiting_for(self) -> str:
        """What holds the next request back, for a display: "" for nothing, or "rate", "gate", "running tasks" ..."""
        account = self._ready()
        return account.pacer.waiting_for(account.loop.time())

    def statistics(self) -> PacerStatistics:
        """What was learned of the account. Raises `ClientClosedError` outside of `async with`."""
        return self._ready().pacer.statistics()

    def _ready(self) -> Account:
        if self._account is None or self._closed:
            raise ClientClosedError("use the client inside of `async with LipSyncClient(...) as client:`")
        if asyncio.get_running_loop() is not self._account.loop:
            raise ConfigurationError("a LipSyncClient belongs to the event loop it was entered in; make one a loop")
        return self._account

    # -- jobs -------------------------------------------------------------------------------------------------------

    async def submit(self, request: LipSyncRequest) -> Accepted:
        """Submits one job and waits for the gateway's word; many at once share the client's one pacer.

        Raises `InvalidRequestError` before anything is sent, `RejectedError`, `OutcomeUnknownError` (it may have been
        charged), or `NotSentError` (safe to submit again).
        Cancelled, it waits `submit_grace` seconds for a request in flight, then re-raises.
        """
        account = self._ready()
        faults = [fault for fault in check(request, self._gateway) if fault.severity == "error"]
        if faults:
            raise InvalidRequestError(faults, external_task_id=request.external_task_id)
        outcomes: list[Outcome] = []
        run = Run(account, (request,), lambda _, outcome: outcomes.append(outcome), window=1)
        await self._finish(run, self._timeouts.submit_grace, jobs=1)
        error = outcomes[0].error()
        if error is not None:
            raise error
        assert isinstance(outcomes[0], Accepted)
        return outcomes[0]

    async def submit_many(
        self,
        jobs: Requests,
        into: MutableMapping[str, Outcome] | None = None,
        *,
        on_progress: OnProgress | None = None,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> BatchResult:
        """Submits a list and returns what became of every job, by `external_task_id`, in input order.

        The list is looked through first: one id twice with the same content is one job; with different content
        `DuplicateIdError` is raised before anything is sent.
        `into` takes the outcomes as they come, so that they are not lost when this call is cancelled.
        With a `journal` (a path) an earlier run is resumed; raises `JournalError` where it cannot be used.
        """
        self._ready()
        options = options or RunOptions()
        listed = await self._index(jobs, options)
        outcomes: MutableMapping[str, Outcome] = {} if into is None else into
        done = 0

        def deliver(job: Job, outcome: Outcome) -> Awaitable[None] | None:
            nonlocal done
            done += 1
            outcomes[job.id] = outcome
            if on_progress is None or run.failure is not None:
                return None
            return tell_progress(on_progress, Progress(done, len(listed), outcome))

        async with Opened(journal, self._gateway, account) as jobbook:
            if jobbook is not None:
                await _refuse_conflicts(jobbook, listed)
            shared = self._ready()  # it may have been closed while the list was looked through
            if jobbook is not None:
                shared.witness = shared.witness or jobbook.witness()
            run = Run(shared, listed, deliver, window=self._limits.max_in_flight, options=options, jobbook=jobbook)
            await self._finish(run, self._timeouts.grace, jobs=len(listed))
        return BatchResult({job.id: job.request for job in listed}, outcomes)

    def stream(
        self,
        jobs: Jobs,
        *,
        on_progress: OnProgress | None = None,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> OutcomeStream:
        """Submits jobs as they are pulled and gives outcomes as they come, for lists of any length.

        `async with client.stream(jobs) as outcomes: async for outcome in outcomes: ...`
        A repeated id is not sent: it comes out `Rejected` (`duplicate_id`).
        Left early, it stops; what was drained is in `outcomes.rest`.
        """
        self._ready()
        return OutcomeStream(
            self._ready,
            jobs,
            on_progress,
            Opened(journal, self._gateway, account),
            options,
            window=self._limits.max_in_flight,
            grace=self._timeouts.grace,
        )

    def reconcile(
        self, journal: JournalLike, *, account: str = "default", on_progress: OnProgress | None = None
    ) -> OutcomeStream:
        """Looks up what earlier runs left open or unknown, and writes what it learns; sends nothing.

        What is proven absent comes out as not sent: the next run with its list sends it.
        """
        self._ready()
        return OutcomeStream(
            self._ready,
            None,
            on_progress,
            Opened(journal, self._gateway, account),
            RunOptions(look_only=True),
            window=self._limits.max_in_flight,
            grace=self._timeouts.grace,
        )

    async def _index(self, jobs: Requests, options: RunOptions) -> list[Job]:
        """The whole list with its ids, each once. Raises `DuplicateIdError`."""
        listed: dict[str, Job] = {}
        nameless: list[Job] = []
        count = 0
        async for request in _each(jobs):
            count += 1
            if not count % YIELD_EVERY:
                await asyncio.sleep(0)
            job = Job(request, request.external_task_id or await self._derived(request, options))
            job.derived = not request.external_task_id
            if not job.id:
                nameless.append(job)
                continue
            first = listed.setdefault(job.id, job)
            if first is not job and _content(first.request) != _content(request):
                text = f"{job.id} stands for different content in one list; nothing was sent"
                raise DuplicateIdError(text, external_task_id=job.id)
        return [*listed.values(), *nameless]

    async def _derived(self, request: LipSyncRequest, options: RunOptions) -> str:
        """The id of the content; "" where the request is too broken to have one."""
        try:
            await hash_sound(request)
            return derive_id(request, prefix=options.id_prefix, max_length=self._gateway.max_id_length)
        except UNHASHABLE:
            return ""

    async def _finish(self, run: Run, grace: float, jobs: int | None = None) -> None:
        """Waits for a run; cancelled, it lets requests in flight finish for `grace` seconds, then breaks them off."""
        workers = run.start(jobs)
        try:
            if workers:
                await asyncio.wait(workers)
        except asyncio.CancelledError:
            run.stop(CANCELLED)
            await drain((run,), grace)
            raise
        finally:
            run.finish()
        for worker in workers:
            if not worker.cancelled():  # by `aclose`, whose grace was over: its job has come out
                worker.result()
        if run.failure is not None:
            raise run.failure


def _content(request: LipSyncRequest) -> LipSyncRequest:
    return evolve(request, external_task_id=None)


async def _refuse_conflicts(jobbook: Jobbook, listed: Sequence[Job]) -> None:
    """Raises `DuplicateIdError` where an earlier run may have paid for other content under an id of this list."""
    if jobbook.is_blank():
        return
    for place, job in enumerate(listed):
        if not place % YIELD_EVERY:
            await asyncio.sleep(0)
        if job.id and await jobbook.conflict(job):
            text = f"the journal holds {job.id} with other content, and it may have been paid for; nothing was sent"
            raise DuplicateIdError(text, external_task_id=job.id)


async def _each(jobs: Requests) -> AsyncIterator[LipSyncRequest]:
    if isinstance(jobs, AsyncIterable):
        async for request in jobs:
            yield request
    else:
        for request in jobs:
            yield request


def find_key(gateway: Gateway, given: str | None) -> str:
    """The key that was given, else the gateway's variable, else `LIPSYNC_API_KEY`; a blank one counts as missing.

    Raises `ConfigurationError` that names the variables.
    """
    names = dict.fromkeys((gateway.key_variable, FALLBACK_KEY_VARIABLE))
    found = next((key for key in (given, *map(os.environ.get, names)) if key and key.strip()), None)
    del given  # the frame of an error holds no key
    if found is not None:
        try:
            return usable_key(found)
        finally:
            del found
    raise ConfigurationError(f"no API key: give api_key=, or set {' or '.join(names)}", kind=Kind.AUTH)
