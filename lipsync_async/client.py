"""`LipSyncClient`: it is opened and closed, and has three ways to submit jobs; `dispatch` does the work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, MutableMapping
from types import TracebackType
from typing import Literal, Self, overload

import aiohttp
import anyio

from lipsync_async.callbacks import CallbackCalls
from lipsync_async.config import RunOptions
from lipsync_async.dispatch.account import LOG, Account, Observer
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.listing import index
from lipsync_async.dispatch.pacing import Pacer, Pacing
from lipsync_async.dispatch.run import Run
from lipsync_async.dispatch.streaming import (
    STOPPED,
    Jobs,
    JournalLike,
    OnProgress,
    Opened,
    OutcomeStream,
    Progress,
    Requests,
    book_of,
    drain,
    finish,
    tell_progress,
)
from lipsync_async.journal import AnyJournal
from lipsync_async.request.checks import but_pending, check, errors_of
from lipsync_async.sharing.joining import Sharing
from lipsync_async.sources.calls import SourceCalls
from lipsync_async.sources.maker import SourceMaker
from lipsync_async.sources.sourcebook import Sourcebook
from lipsync_async.sources.sourcebook import book_of as sourcebook_of
from lipsync_async.sources.uploads import Uploads
from lipsync_async.tasks.calls import TaskCalls
from lipsync_async.tasks.fetching import Target
from lipsync_async.tasks.results import ResultStream, Watch
from lipsync_async.wire.credential import ApiKey, Credential, find_key, origin_of_key
from lipsync_async.wire.transport import Transport, agent_of, make_session, proxy_from_environment, warn_of_small_pool

from .config import Following, Limits, RetryPolicy, Timeouts, expect_settings
from .errors import ClientClosedError, ConfigurationError
from .gateways import Gateway, gateway_for, gateway_from_environment
from .given import expect_callable, expect_jobs, id_given
from .life import Life
from .models import LipSyncRequest
from .outcomes import Accepted, BatchResult, Outcome, in_words, not_valid


class LipSyncClient(Life, SourceCalls, TaskCalls, CallbackCalls):
    """One account at one gateway; everything that is submitted through it shares the limits that it learns.

    Use it in one event loop, as an async context manager; or begin with any call and end with `await client.aclose()`.
    `gateway` is a name, a base URL or a `Gateway`; None: what `LIPSYNC_GATEWAY` says, a name or a base URL.
    `api_key` is a string, or a function, sync or async, that returns one and is called again when a token has expired.
    `session` is used instead of a session of its own, and is not closed: its connector, proxy, TLS and headers count.
    `trust_env` takes a proxy from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), read once.
    `trust_lookups` says that a task that is not found does not exist (contract, section 5).
    `observer` is called with an `Event` for every attempt, look-up, look at a task, outcome, pause and stop.
    `following` says when tasks that are waited for are asked for.
    `uploads` puts a local file where the gateway can fetch it, and returns its URL: a video, or a sound above 5 MB.
    `shared`: the store where processes share what they learn of the limits, `file:/run/lipsync` or `redis://...`;
    where it is not reached at the start, that is an error, unless `shared_required` is False.
    Raises `ConfigurationError` if there is no usable key or address.
    """

    # A client whose making failed is shown, and collected, like any other.
    _gateway: Gateway = None  # type: ignore[assignment]
    _entered = False

    def __init__(
        self,
        gateway: str | Gateway | None = None,
        *,
        api_key: ApiKey | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        session: aiohttp.ClientSession | None = None,
        trust_env: bool = False,
        trust_lookups: bool = False,
        observer: Observer | None = None,
        following: Following | None = None,
        uploads: Uploads | None = None,
        shared: str | None = None,
        shared_required: bool = True,
    ) -> None:
        super().__init__()
        self._gateway = gateway_for(gateway_from_environment() if gateway is None else gateway)
        expect_settings(limits=limits, retry=retry, timeouts=timeouts, following=following)
        self._key_is_from = origin_of_key(self._gateway, api_key)
        try:
            self._key = api_key if callable(api_key) else find_key(self._gateway, api_key)
            self._sharing = Sharing(shared, self._gateway, self._key, required=shared_required)
        finally:
            del api_key  # the frame of an error holds no key
        self._limits = limits or Limits()
        self._retry = retry or RetryPolicy()
        self._timeouts = timeouts or Timeouts()
        self._borrowed = session
        self._trust_env = trust_env
        self._trust_lookups = trust_lookups
        self._observer = observer
        self._when_to_look = following or Following()
        self._uploads = uploads
        self._sourcebook = Sourcebook()

    def __repr__(self) -> str:
        if self._gateway is None:
            return "<LipSyncClient, not made>"
        state = "closed" if self._closed else "not entered" if self._account is None else repr(self._account)
        return f"<LipSyncClient {self._gateway.name}, {state}>"

    # -- lifecycle --------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._closed or self._entered:
            raise ClientClosedError("a LipSyncClient is entered once")
        self._entered = True
        if self._account is None:
            self._open(await self._sharing.pacer(self._limits))
        else:
            self._ready()
        return self

    def _open(self, pacer: Pacing | None = None) -> Account:
        """Begins, in the event loop that runs; `pacer`: that of limits that are shared."""
        if pacer is None and self._sharing.wanted:
            raise ConfigurationError("a client that shares its limits meets the others first: use `async with`")
        proxy = proxy_from_environment(self._gateway.base_url) if self._trust_env else None
        session = self._borrowed or make_session()
        if self._borrowed is not None:
            warn_of_small_pool(session, self._limits)
        self._session = session
        self._transport = Transport(session, self._timeouts, proxy=proxy, own=self._borrowed is None)
        self._account = account = Account(
            self._gateway,
            self._transport,
            Credential(self._key, agent=agent_of(session), origin=self._key_is_from),
            pacer or Pacer(self._limits),
            self._retry,
            observer=self._observer,
        )
        self._sharing.bind(account)
        account.trust.told = self._trust_lookups
        if self._limits.max_running_tasks is not None:
            self._follow_slots()
        LOG.debug("open: %s", repr(self))
        return account

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stops all runs and waits, and closes the session, unless it was passed in; a second call does nothing."""
        self._closed = True
        if self._breaking is not None:
            self._breaking.cancel()
        try:
            await self._stop_following()
            if self._account is not None and self._account.runs:
                self._account.stop(STOPPED)
                runs = tuple(self._account.runs)
                await drain(runs, self._timeouts.grace)
                for run in runs:
                    await run.aclose(self._timeouts.grace)
        finally:
            await self._sharing.aclose()
            session, self._session = self._session, None
            if session is not None and session is not self._borrowed:
                if self._transport is not None:
                    self._transport.close()
                with anyio.CancelScope(shield=True):
                    await session.close()

    # -- jobs -------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        request: LipSyncRequest,
        *,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> Accepted:
        """Submits one job and waits for the gateway's word; many at once share the client's one pacer.

        An `external_task_id` that this client had before is not paid for again: its task is told, or looked up;
        a job of the same id that is under way is waited for.
        With a `journal` (a path, or one that is open) earlier runs count as well.
        Raises `InvalidRequestError` before anything is sent, `RejectedError`, `OutcomeUnknownError` (it may have been
        charged), or `NotSentError` (safe to submit again).
        Cancelled, it waits `submit_grace` seconds for a request in flight, then re-raises;
        a note on the exception, and `outcome_of`, tell what became of the job.
        """
        self._at_work()
        faults = but_pending(errors_of(check(request, self._gateway)), request, uploads=self._uploads is not None)
        if faults:
            raise not_valid(faults, id_given(request))
        outcomes: list[Outcome] = []
        async with Opened(journal, self._gateway, account) as opened:
            shared = self._at_work()
            run = Run(
                shared,
                (request,),
                lambda _, outcome: outcomes.append(outcome),
                window=1,
                options=options,
                jobbook=book_of(opened),
                maker=self._maker(opened, options),
            )
            try:
                await finish(run, self._timeouts.submit_grace, jobs=1)
            except asyncio.CancelledError as error:
                error.add_note("; ".join(map(in_words, outcomes)))
                raise
        failure = outcomes[0].error()
        if failure is not None:
            raise failure
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
        """Submits a list and returns the outcome of every job, by `external_task_id`, in the order of the list.

        The whole list is read first: the same id with the same content is one job.
        The same id with different content raises `DuplicateIdError` before anything is sent.
        `into` receives each outcome at once, so that a cancelled call does not lose them.
        `on_progress` is called after each outcome.
        With a `journal` (a path, or an open `Journal`) an earlier run is resumed.
        `account` is a label that is written to the journal, and must be the same in its next run.
        Raises `JournalError` if the journal cannot be used.
        An id that an earlier run, or this client, may have paid for with other content comes out `Rejected`
        (`already_exists`), and holds up nothing else.
        """
        self._at_work()
        expect_callable("on_progress", on_progress)
        options = options or RunOptions()
        listed = await index(jobs, options, self._gateway.max_id_length)
        outcomes: MutableMapping[str, Outcome] = {} if into is None else into
        done = 0

        def deliver(job: Job, outcome: Outcome) -> Awaitable[None] | None:
            nonlocal done
            done += 1
            outcomes[job.id] = outcome
            if on_progress is None or run.failure is not None:
                return None
            return tell_progress(on_progress, Progress(done, len(listed), outcome))

        async with Opened(journal, self._gateway, account) as opened:
            shared = self._at_work()  # it may have been closed, or stopped, while the list was looked through
            book, window = book_of(opened), self._limits.max_in_flight
            maker = self._maker(opened, options)
            run = Run(shared, listed, deliver, window=window, options=options, jobbook=book, maker=maker)
            await finish(run, self._timeouts.grace, jobs=len(listed))
        return BatchResult({job.id: job.request for job in listed.jobs}, outcomes)

    @overload
    def stream(
        self,
        jobs: Jobs,
        *,
        wait: Literal[False] = False,
        on_progress: OnProgress | None = None,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> OutcomeStream: ...
    @overload
    def stream(
        self,
        jobs: Jobs,
        *,
        wait: Literal[True],
        timeout: float | None = None,
        resubmit: Collection[str] = (),
        download: Target | None = None,
        on_progress: OnProgress | None = None,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> ResultStream: ...
    def stream(
        self,
        jobs: Jobs,
        *,
        wait: bool = False,
        timeout: float | None = None,
        resubmit: Collection[str] = (),
        download: Target | None = None,
        on_progress: OnProgress | None = None,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> OutcomeStream | ResultStream:
        """Submits jobs while it reads them, and yields outcomes as they are known; for lists of any length.

        `async with client.stream(jobs) as outcomes: async for outcome in outcomes: ...`
        A job with an id that came before is not sent: it ends as `Rejected` (`duplicate_id`).
        Leaving the `async with` early stops it; outcomes that came after that are in `outcomes.rest`.
        `wait`: the tasks are waited for as well, and each job's result is yielded: its task's ending, or its outcome
        where it has no task; `timeout`, `resubmit` and `download` are those of `run_many`.
        The other parameters are those of `submit_many`.
        """
        self._at_work()
        expect_jobs(jobs)
        opened = Opened(journal, self._gateway, account)
        if wait:
            return self._results(jobs, opened, timeout, resubmit, download, on_progress, options)
        return self._outcomes(jobs, opened, on_progress, options)

    def reconcile(
        self, journal: JournalLike, *, account: str = "default", on_progress: OnProgress | None = None
    ) -> OutcomeStream:
        """Looks up the jobs that earlier runs left open or unknown, and writes the answers to the journal.

        It sends no job.
        A job that is proven absent ends as `NotSent`: the next run with its list sends it.
        """
        self._ready()
        opened = Opened(journal, self._gateway, account)
        return self._outcomes(None, opened, on_progress, RunOptions(look_only=True))

    def _outcomes(
        self,
        jobs: Jobs | None,
        journal: Opened,
        on_progress: OnProgress | None,
        options: RunOptions | None,
        watch: Watch | None = None,
    ) -> OutcomeStream:
        """A stream of outcomes; no jobs: those that the journal left open or unknown."""
        return OutcomeStream(
            self._ready if jobs is None else self._at_work,
            jobs,
            on_progress,
            journal,
            options,
            window=self._limits.max_in_flight,
            grace=self._timeouts.grace,
            watch=watch,
            make_maker=self._maker,
        )

    def _maker(self, journal: AnyJournal | None, options: RunOptions | None) -> SourceMaker:
        """What the jobs of a run lack is made once a journal, or once a client where there is none."""
        book = self._sourcebook if journal is None else sourcebook_of(journal)
        return SourceMaker(self._ready(), book, options, self._uploads)
