"""Makes what the jobs of a run lack: each video is identified once and each text spoken once, a few at a time.

A call is on record before it leaves, and what came of it after. One that was cut off is made once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import anyio
from attrs import frozen
from msgspec.structs import replace

from lipsync_async.config import RunOptions
from lipsync_async.dispatch.account import LOG, Account
from lipsync_async.dispatch.missing import Made, Missing
from lipsync_async.errors import (
    JournalError,
    LipSyncError,
    NoFaceError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    TaskFailedError,
    Violation,
    WaitTimeoutError,
)
from lipsync_async.models import LipSyncRequest, SpeechSource, VideoSource
from lipsync_async.request.checks import Facts, is_given
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import name_of_speech, name_of_video

from .calling import Manner, identify, speak
from .resolving import (
    LIVES,
    SESSION,
    SPEECH,
    Ask,
    Follow,
    Kept,
    Refused,
    Use,
    decide,
    keep_session,
    keep_speech,
    session_of,
    with_audio,
    with_session,
)
from .sourcebook import Key, Sourcebook

AT_ONCE = 8
"""Calls of a run that are under way at the same time."""
DEATHS = 3
"""Sessions of a video that may die in a row before any create is accepted: no other is paid for after that."""
AGAIN = 1.0
"""Seconds after a lost reply until the call is made once more."""
_CLOSED = frozenset({Kind.AUTH, Kind.QUOTA, Kind.PERMISSION, Kind.CONFIGURATION})
"""Refusals that would meet every call of that sort: no other is made in this run."""
_AT_FAULT = frozenset({"content", "media"})
"""Why a gateway's task for it failed, where another would fail as well."""
_WORDS = {SESSION: "the faces of the video could not be identified", SPEECH: "the text could not be spoken"}
_TOLD = {SESSION: "video", SPEECH: "text"}
Source: TypeAlias = VideoSource | SpeechSource


@frozen
class Need:
    """One thing that a request is made of."""

    key: Key
    source: Source


def need_of(source: Source) -> Need:
    """What is kept of it has that key."""
    if isinstance(source, VideoSource):
        return Need((SESSION, name_of_video(source)), source)
    return Need((SPEECH, name_of_speech(source)), source)


class SourceMaker:
    """For one run; what it learns is in the `book`, which it may share with others."""

    def __init__(self, account: Account, book: Sourcebook, options: RunOptions | None = None) -> None:
        self._account = account
        self._book = book
        self._options = options or RunOptions()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: dict[Key, Missing] = {}
        self._closed: dict[str, Missing] = {}
        """By the kind of entry: no call of that sort is worth another try."""
        self._proven: dict[str, str] = {}
        """The last session of each video in which a create was accepted."""
        self._deaths: dict[str, int] = {}
        """Sessions of each video that died in a row before any create was accepted in them."""
        self._hopeless: set[str] = set()
        self._stopped = False

    def __repr__(self) -> str:
        return f"<SourceMaker {len(self._tasks)} under way, {len(self._failed)} failed>"

    def concerns(self, request: LipSyncRequest) -> bool:
        """Whether a request names a video or a text."""
        return request.source is not None or request.speech is not None

    def make(self, request: LipSyncRequest, ready: Callable[[], None]) -> Made | Missing | None:
        """As `Maker` has it."""
        found: list[Kept | Missing | None] = []
        lacking = list(self._lacking(request))
        for need in lacking:
            found.append(self._find(need))
            if found[-1] is None:
                self._book.when_over(need.key, ready)
        if missing := next((it for it in found if isinstance(it, Missing)), None):
            return missing
        if any(it is None for it in found):
            return None
        facts: Facts | None = None
        for need, kept in zip(lacking, found, strict=True):
            assert isinstance(kept, Kept)
            completed = _complete(request, need, kept)
            if isinstance(completed, Violation):
                told = str(completed)
                return Missing(kind=Kind.VALIDATION, message=told, rejected=True, violations=(completed,))
            request, facts = completed[0], completed[1] or facts
        return Made(request=request, facts=facts)

    def _lacking(self, request: LipSyncRequest) -> list[Need]:
        lacking = []
        if request.source is not None:
            need = need_of(request.source)
            if not is_given(request.session_id) or self._is_over(need, request.session_id):
                lacking.append(need)
        if request.speech is not None and request.face_choose:
            need, audio = need_of(request.speech), request.face_choose[0].audio_id
            if not is_given(audio) or self._is_over(need, str(audio)):
                lacking.append(need)
        return lacking

    def _is_over(self, need: Need, made_id: str) -> bool:
        """Whether what a request has already can be used no more, as far as is known."""
        if made_id in self._book.spoiled:
            return True
        kept = self._book.at_hand(need.key)
        life = LIVES[need.key[0]]
        return kept is not None and kept.made_id == made_id and self._now() >= kept.asked_at + life

    def _now(self) -> float:
        return self._account.wall_clock()

    def _find(self, need: Need) -> Kept | Missing | None:
        """What is there for it; None: a call is under way, perhaps since just now."""
        if (failed := self._failed.get(need.key)) is not None:
            return failed
        if need.key in self._book.under_way:
            return None
        try:
            kept = self._book.recall(need.key)
        except JournalError as error:
            return _broken(error)
        decision = decide(
            need.key[0], kept, self._now(), spoiled=self._book.spoiled, again=self._options.retry_rejected
        )
        if isinstance(decision, Use):
            return decision.kept
        if isinstance(decision, Refused):
            return Missing(kind=decision.kind, message=_about(need, decision.message), rejected=True)
        if (closed := self._closed.get(need.key[0])) is not None:
            return closed
        task = self._account.loop.create_task(self._work(need, kept, decision), name="lipsync-source")
        self._book.under_way[need.key] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    def spoil(self, request: LipSyncRequest) -> bool:
        """As `Maker` has it: the session is not used again, by whichever run."""
        if request.source is None:
            return False
        name, died = name_of_video(request.source), request.session_id
        if died in self._book.spoiled:
            return name not in self._hopeless
        self._book.spoiled.add(died)
        self._deaths[name] = 1 if self._proven.get(name) == died else self._deaths.get(name, 0) + 1
        if self._deaths[name] > DEATHS:
            self._hopeless.add(name)
        return name not in self._hopeless

    def proven(self, request: LipSyncRequest) -> None:
        """As `Maker` has it."""
        if request.source is not None:
            self._proven[name_of_video(request.source)] = request.session_id

    def stop(self) -> None:
        """As `Maker` has it."""
        self._stopped = True

    async def aclose(self, grace: float) -> None:
        """As `Maker` has it."""
        self._stopped = True
        if not self._tasks:
            return
        with anyio.CancelScope(shield=True):
            _, late = await asyncio.wait(tuple(self._tasks), timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    # -- one call ---------------------------------------------------------------------------------------------------

    async def _work(self, need: Need, kept: Kept | None, decision: Ask | Follow) -> None:
        try:
            async with self._places:
                missing = self._closed.get(need.key[0])
                if missing is None and not self._stopped:
                    call = _Call(self._account, self._book, need, kept, partial(self._leave, need.source))
                    missing = await call.make(decision, chances=1 if self._options.ambiguous == "report" else 2)
        except JournalError as error:
            missing = _broken(error)
        except Exception as error:  # noqa: BLE001 - jobs wait for this: whatever it was, they must come out
            LOG.exception("%s: this is a fault of the library's", _about(need, ""))
            missing = Missing(kind=Kind.PROTOCOL, message=_about(need, f"{type(error).__name__}: {error}"))
        finally:
            self._account.loop.call_soon(self._book.over, need.key)
        if missing is not None:
            self._failed[need.key] = missing
            if not missing.rejected and missing.kind in _CLOSED:
                self._closed[need.key[0]] = missing

    def _leave(self, source: Source) -> Missing | None:
        """The caller's leave to spend."""
        allow = self._options.allow_source
        refusal = None if allow is None else allow(source)
        return None if refusal is None else Missing(kind=Kind.QUOTA, message=refusal, ends_batch=True)


class _Call:
    """One call, and what is on record of it."""

    def __init__(
        self,
        account: Account,
        book: Sourcebook,
        need: Need,
        kept: Kept | None,
        leave: Callable[[], Missing | None],
    ) -> None:
        self._account = account
        self._leave = leave
        self._book = book
        self._need = need
        self._kept = kept or Kept(state="cleared")
        self._sent = False

    async def make(self, decision: Ask | Follow, chances: int) -> Missing | None:
        """Makes it, at most so often; what kept it from being made, if anything. Raises `JournalError`."""
        task_id = decision.task_id if isinstance(decision, Follow) else None
        if isinstance(decision, Ask) and decision.cut_off:
            self._cut_off("an earlier run ended before the answer came")
        while True:
            if task_id is None and (refused := self._leave()) is not None:
                return refused
            before = self._kept.charged
            try:
                await self._keep(await self._ask(task_id))
            except OutcomeUnknownError as error:
                self._tell("unknown", error)
                chances -= 1
                if not chances:
                    return Missing(kind=Kind(error.kind or Kind.SERVER), message=_about(self._need, str(error)))
                self._cut_off(str(error))
                await asyncio.sleep(AGAIN)
            except LipSyncError as error:
                return await self._without(error)
            else:
                self._tell("made", units=self._kept.charged - before if self._kept.told else None)
                return None

    async def _ask(self, task_id: str | None) -> Kept:
        self._sent = False
        manner = Manner(
            timeout=self._account.retry.max_stall, task_id=task_id, before=self._before, on_task=self._on_task
        )
        if isinstance(self._need.source, VideoSource):
            session = await identify(self._account, self._need.source, manner)
            return keep_session(self._kept, session)
        speech = await speak(self._account, self._need.source, manner)
        return keep_speech(self._kept, speech)

    async def _before(self) -> None:
        """On record before the first byte leaves; a call that was refused for now, and goes again, is one."""
        if self._sent:
            return
        now, calls = self._account.wall_clock(), self._kept.calls + 1
        await self._keep(replace(self._kept, state="open", calls=calls, asked_at=now, task_id=None))
        self._sent = True
        self._tell("sent")

    async def _on_task(self, task_id: str) -> None:
        await self._keep(replace(self._kept, state="task", task_id=task_id))

    async def _keep(self, kept: Kept) -> None:
        self._kept = kept
        await self._book.keep(self._need.key, kept)

    def _cut_off(self, why: str) -> None:
        LOG.warning("%s, which may have been charged; it is made once more", _about(self._need, why))
        self._kept = replace(self._kept, cut_off=self._kept.cut_off + 1)

    async def _without(self, error: LipSyncError) -> Missing:
        """What an error leaves on record, and what it means for the jobs."""
        if isinstance(error, JournalError):
            raise error
        kind = Kind(error.kind) if error.kind in set(Kind) else Kind.SERVER
        told = _about(self._need, str(error))
        if isinstance(error, WaitTimeoutError):
            return Missing(kind=Kind.TIMEOUT, message=told)  # it is on record as a task, and waited for again
        at_fault = isinstance(error, RejectedError) or (isinstance(error, TaskFailedError) and error.kind in _AT_FAULT)
        free = isinstance(error, NotSentError | RejectedError) and not isinstance(error, NoFaceError)
        kept = replace(self._kept, state="cleared", task_id=None)
        if at_fault:
            kind = kind if isinstance(error, RejectedError) else Kind.INVALID_REQUEST
            kept = replace(kept, state="refused", kind=str(kind), message=str(error))
        if self._sent:
            kept = replace(kept, calls=kept.calls - free)
        if self._sent or self._kept.state == "task":
            await self._keep(kept)
        self._tell("refused" if at_fault else "cleared", error)
        return Missing(kind=kind, message=told, rejected=at_fault)

    def _tell(self, action: str, error: LipSyncError | None = None, units: float | None = None) -> None:
        kind = None if error is None else error.kind
        self._account.observe("source", action=action, kind=kind, source=_TOLD[self._need.key[0]], units=units)


def _complete(request: LipSyncRequest, need: Need, kept: Kept) -> tuple[LipSyncRequest, Facts | None] | Violation:
    if isinstance(need.source, VideoSource):
        return with_session(request, session_of(kept, need.source))
    completed = with_audio(request, kept)
    return completed if isinstance(completed, Violation) else (completed, None)


def _about(need: Need, message: str) -> str:
    return f"{_WORDS[need.key[0]]}: {message}"


def _broken(error: JournalError) -> Missing:
    return Missing(kind=Kind.STORAGE, message=str(error), ends_batch=True)
