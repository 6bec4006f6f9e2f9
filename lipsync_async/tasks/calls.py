"""What a program can ask for about tasks: `LipSyncClient` has these calls beside its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping

import msgspec

from lipsync_async.config import Following, RunOptions
from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.listing import index
from lipsync_async.dispatch.run import YIELD_EVERY
from lipsync_async.dispatch.streaming import Jobs, JournalLike, OnProgress, Opened, OutcomeStream, Requests
from lipsync_async.downloads.crew import Crew
from lipsync_async.downloads.fetcher import Fetcher, FetchOptions
from lipsync_async.downloads.store import expect_store, store_for
from lipsync_async.endings import Downloaded, Ending, FailureKind, Result, Succeeded, TaskState
from lipsync_async.errors import TaskError, TaskNotFoundError
from lipsync_async.gateways import Gateway
from lipsync_async.given import expect_callable, expect_seconds
from lipsync_async.journal import AnyJournal
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, BatchResult, NotSent, Outcome, Rejected, Unknown
from lipsync_async.task_results import TaskResults, job_id
from lipsync_async.terms import Failure, Kind
from lipsync_async.wire import TaskReply
from lipsync_async.wire.flight import Flight

from .again import Resubmission, kinds_of
from .fates import ENDED, Sign, judge_task, state_of
from .fetching import Fetching, Target, video_url
from .follower import Follower, FollowingStatistics
from .results import ResultStream, Watch
from .slots import Slots
from .taskbook import Taskbook
from .telling import OnTaskProgress, Telling, Waitable, count_of, results_of
from .waiting import Waiting, Waits
from .wanted import TaskLike, Wanted, expect_tasks, sound_of, wanted_of


class TaskCalls:
    """The calls about tasks; all of a client's waits share one `Follower`."""

    _gateway: Gateway
    _trust_env: bool
    _when_to_look: Following
    _follower: Follower | None = None

    def __init__(self) -> None:
        self._waits = Waits()

    # What the client brings along.

    def _ready(self) -> Account:
        raise NotImplementedError

    def _at_work(self) -> Account:
        raise NotImplementedError

    def _begun(self) -> Account:
        raise NotImplementedError

    async def submit(
        self,
        request: LipSyncRequest,
        *,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> Accepted:
        """As the client has it."""
        raise NotImplementedError

    async def submit_many(
        self,
        jobs: Requests,
        into: MutableMapping[str, Outcome] | None = None,
        *,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> BatchResult:
        """As the client has it."""
        raise NotImplementedError

    def _outcomes(
        self,
        jobs: Jobs | None,
        journal: Opened,
        on_progress: OnProgress | None,
        options: RunOptions | None,
        watch: Watch | None = None,
    ) -> OutcomeStream:
        raise NotImplementedError

    # Tasks.

    async def get_task(self, task: TaskLike) -> TaskState:
        """Looks at a task once, and returns what the gateway tells of it; it need not have ended.

        Raises `TaskNotFoundError`, which says nothing about its fate, or `TaskError` where no usable answer came.
        """
        account, wanted = self._ready(), wanted_of(task)
        answer, sign = await _look(account, wanted)
        if sign is Sign.KEY and account.credential.may_refresh(account.credential.generation):
            await account.renew(account.credential.generation)
            answer, sign = await _look(account, wanted)
        if isinstance(answer, TaskReply) and (sign is Sign.RUNNING or sign in ENDED):
            return state_of(wanted.task_id, answer)
        raise _not_told(wanted, answer, sign)

    async def wait(self, task: TaskLike, *, timeout: float | None = 3600.0) -> Succeeded:
        """Waits for the end of a task, for at most `timeout` seconds (None: as long as it takes).

        Many waits at once share one plan of looks; a wait that is cancelled leaves the task and the others alone.
        Raises `TaskFailedError`, `TaskLostError`, or `WaitTimeoutError`: the task goes on, and can be waited for again.
        """
        return await self._wait_for(self._know(wanted_of(task)), timeout)

    async def wait_many(
        self,
        tasks: Mapping[str, Waitable] | Iterable[Waitable],
        *,
        timeout: float | None = None,
        on_progress: OnTaskProgress | None = None,
    ) -> TaskResults:
        """Waits for the end of all tasks, for at most `timeout` seconds (None: as long as it takes).

        `tasks`: a `BatchResult`, or any outcomes, endings and task ids; an outcome without a task comes back as it is.
        `on_progress` is called with a `TaskProgress` for each result, when it is known.
        Returns the ending of each, by `external_task_id`, or by task id where no other is known; none is raised.
        """
        expect_tasks(tasks)
        expect_seconds("timeout", timeout)
        expect_callable("on_progress", on_progress)
        given = tuple(tasks.values() if isinstance(tasks, Mapping) else tasks)
        waiting, telling = self._begin_waiting(on_progress, count_of(given))
        try:
            for number, one in enumerate(given, 1):
                if isinstance(one, Rejected | Unknown | NotSent):
                    telling.tell(one)
                else:
                    waiting.add(self._know(wanted_of(one)))
                if not number % YIELD_EVERY:
                    await asyncio.sleep(0)
            await waiting.finish(timeout)
            await telling.finish()
            return results_of(given, telling.endings)
        finally:
            waiting.leave()
            telling.leave()

    async def run(
        self,
        request: LipSyncRequest,
        *,
        timeout: float | None = 3600.0,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> Succeeded:
        """Submits one job and waits for its video, for at most `timeout` seconds after it was accepted.

        `journal`, `account` and `options` are those of `submit`.
        Raises what `submit` and `wait` raise; an error of `wait` names the task, which `wait` can go on with.
        """
        expect_seconds("timeout", timeout)  # before anything is paid for
        accepted = await self.submit(request, journal=journal, account=account, options=options)
        return await self._wait_for(self._accepted_now(accepted), timeout)

    async def run_many(
        self,
        jobs: Requests,
        *,
        timeout: float | None = None,
        resubmit: Collection[str] = (),
        download: Target | None = None,
        on_progress: OnProgress | None = None,
        journal: JournalLike | None = None,
        account: str = "default",
        options: RunOptions | None = None,
    ) -> TaskResults:
        """Submits a list as `submit_many` does, and waits for every task from the moment when it is accepted.

        `timeout` is in seconds after the last job came out (None: as long as it takes).
        `resubmit`: `"capacity"`, `"gateway"`, or both: a job whose task failed for such a reason is submitted again,
        at most three times, under the ids `<id>-r1` ..., and pays again; its ending tells of the `earlier` ones.
        `download`: where each video is put when its task has succeeded: a folder, an address such as
        `s3://bucket/prefix` (the extra `store`), or an object with `put`; `Succeeded.download` says what came of it.
        `on_progress` is called after each outcome, when a job is accepted for example, and not again when it ends.
        With a `journal` an earlier run is resumed: what ended is told again, and the other tasks are waited for.
        Returns, by `external_task_id`, each task's ending, or the outcome of a job that was not accepted; raises none.
        Raises what `submit_many` raises.
        """
        self._at_work()
        options = options or RunOptions()
        listed = await index(jobs, options, self._gateway.max_id_length)
        opened = Opened(journal, self._gateway, account)
        found: dict[str, Result] = {}
        async with self._results(listed, opened, timeout, resubmit, download, on_progress, options) as results:
            async for result in results:
                found[job_id(result)] = result
        return TaskResults({job.id: found[job.id] for job in listed.jobs if job.id in found} | found)

    def follow(
        self,
        journal: JournalLike,
        *,
        timeout: float | None = None,
        download: Target | None = None,
        on_progress: OnTaskProgress | None = None,
        account: str = "default",
    ) -> ResultStream:
        """Goes on from a journal alone: yields the ending of every task of its accepted jobs, and submits nothing.

        Endings that are on record are told again; what earlier runs left open or unknown is looked up as by
        `reconcile`, and comes out as its task's ending, or as its outcome where there is no task.
        `timeout`: seconds that tasks are waited for after the last look-up; None: as long as it takes.
        `download`: as in `run_many`; videos that are there already are not fetched again.
        `on_progress` is called with a `TaskProgress` for each result, right before it is yielded.
        """
        expect_callable("on_progress", on_progress)
        opened, look = Opened(journal, self._gateway, account), RunOptions(look_only=True)
        stream = self._results(None, opened, timeout, (), download, None, look, whole_journal=True)
        stream.on_progress = on_progress
        return stream

    def _results(
        self,
        jobs: Jobs | None,
        opened: Opened,
        timeout: float | None,
        resubmit: Collection[str],
        download: Target | None,
        on_progress: OnProgress | None,
        options: RunOptions | None,
        *,
        whole_journal: bool = False,
    ) -> ResultStream:
        kinds, account = _waiting_for(timeout, resubmit, download), self._ready() if jobs is None else self._at_work()

        def outcomes(journal: AnyJournal | None, watch: Watch) -> OutcomeStream:
            return self._outcomes(jobs, opened.again(journal), on_progress, options, watch)

        def resubmission(journal: AnyJournal | None) -> Resubmission | None:
            async def submit(request: LipSyncRequest) -> Outcome:
                found: dict[str, Outcome] = {}
                try:
                    await self.submit_many([request], found, journal=journal, options=options)
                except asyncio.CancelledError:  # its grace is over, and the job has come out
                    if not found:
                        raise
                return next(iter(found.values()))

            return Resubmission(kinds, submit, self._gateway.max_id_length) if kinds else None

        def fetching(tell: Callable[[Succeeded], None], taskbook: Taskbook | None) -> Fetching:
            assert download is not None
            return Fetching(account, download, tell, taskbook=taskbook, trust_env=self._trust_env)

        return self._waits.add(
            ResultStream(
                self._follow,
                outcomes,
                opened,
                wall_clock=account.wall_clock,
                timeout=timeout,
                resubmission=resubmission,
                fetching=None if download is None else fetching,
                whole_journal=whole_journal,
            )
        )

    async def download(self, task: TaskLike, to: Target) -> Downloaded:
        """Fetches the video of a task that has succeeded, whole or not at all, into a folder or a store.

        The file is called `<external_task_id>.mp4`, or by the task id where no other is known.
        Raises `DownloadError`: the task has its video all the same, and it can be fetched later.
        """
        account, wanted = self._ready(), wanted_of(task)
        options = FetchOptions(trust_env=self._trust_env)
        async with Fetcher(account.gateway.base_url, account.credential.headers, options) as fetcher:
            crew = Crew(fetcher, store_for(to))
            found = await crew.fetch(
                wanted.external_task_id, wanted.task_id, lambda: video_url(account, wanted.task_id)
            )
        if isinstance(found, Downloaded):
            return found
        error = found.error()
        assert error is not None
        raise error

    def following(self) -> FollowingStatistics:
        """Returns what was learned about tasks: how long they take, and how late the gateway tells their ends.

        From any thread. Raises `ClientClosedError` where the client has not begun, or was closed.
        """
        account, follower = self._begun(), self._follower
        return (Follower(account, self._when_to_look) if follower is None else follower).statistics()

    def _follow(self) -> Follower:
        account = self._ready()
        if self._follower is None:
            self._follower = Follower(account, self._when_to_look)
        return self._follower

    async def _wait_for(self, wanted: Wanted, timeout: float | None) -> Succeeded:
        expect_seconds("timeout", timeout)
        waiting, telling = self._begin_waiting(None, 1)
        waiting.add(wanted)
        try:
            await waiting.finish(timeout)
        finally:
            waiting.leave()
        return _succeeded(telling.endings[wanted.task_id])

    def _begin_waiting(self, hook: OnTaskProgress | None, total: int) -> tuple[Waiting, Telling]:
        telling = Telling(hook, total)
        waiting = self._waits.add(Waiting(self._follow(), telling.put))
        telling.stop = waiting.stop
        return waiting, telling

    def _accepted_now(self, outcome: Accepted) -> Wanted:
        """A task whose job has just come out: it is new, unless an earlier run or a lost reply made it."""
        wanted = self._know(wanted_of(outcome))
        if outcome.replayed or outcome.recovered:
            return wanted
        return msgspec.structs.replace(wanted, created_at=self._ready().wall_clock())

    def _know(self, wanted: Wanted) -> Wanted:
        """With the seconds of its sound, where the job is remembered."""
        job = self._ready().registry.recall(wanted.external_task_id or "")
        return wanted if job is None else msgspec.structs.replace(wanted, sound=sound_of(job.request))

    def _follow_slots(self) -> None:
        """From now on every task that a create makes is followed, whoever waits for it or not."""
        account = self._ready()
        account.accepted = Slots(self._follow(), account).accepted

    def _hint(self, task_id: str) -> None:
        """A callback says that a task has ended; one that nobody waits for costs nothing."""
        if self._follower is not None:
            self._follower.hint(task_id)

    async def _stop_following(self) -> None:
        if self._follower is not None:
            await self._follower.aclose()


def _succeeded(ending: Ending) -> Succeeded:
    """Raises the ending's error, unless it is a success."""
    error = ending.error()
    if error is not None:
        raise error
    assert isinstance(ending, Succeeded)
    return ending


def _waiting_for(timeout: float | None, resubmit: Collection[str], download: Target | None) -> frozenset[FailureKind]:
    """The kinds to submit again. Raises `ConfigurationError` for what cannot be waited for so."""
    expect_seconds("timeout", timeout)
    expect_store(download)
    return kinds_of(resubmit)


async def _look(account: Account, wanted: Wanted) -> tuple[TaskReply | Failure, Sign]:
    flight = Flight()
    with account.wire.watching(flight):
        answer = await account.queries.get_task(wanted.task_id, flight)
    return answer, judge_task(answer, wanted.external_task_id)


def _not_told(wanted: Wanted, answer: TaskReply | Failure, sign: Sign) -> TaskError:
    names = {"task_id": wanted.task_id, "external_task_id": wanted.external_task_id}
    if isinstance(answer, Failure):
        text = f"task {wanted.task_id}: no answer ({answer.kind}): {answer.message}"
        return TaskError(text, kind=answer.kind, phase=answer.phase.name.lower(), **names)
    reply = answer.reply
    text = f"task {wanted.task_id}: HTTP {reply.status}: {reply.message or 'no usable answer'}"
    kinds = {Sign.KEY: Kind.AUTH, Sign.PAUSE: Kind.PERMISSION, Sign.SLOWER: Kind.RATE}
    told = TaskNotFoundError if sign is Sign.MISSING else TaskError
    kind = kinds.get(sign, Kind.SERVER if reply.status >= 500 else Kind.PROTOCOL)
    return told(text, kind=kind, http_status=reply.status, code=reply.code, request_id=reply.request_id, **names)
