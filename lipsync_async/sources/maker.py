"""Makes what the jobs of a run lack: each video is identified once and each text spoken once, a few at a time.

A call is on record before it leaves, and what came of it after. One that was cut off is made once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import anyio

from lipsync_async.config import RunOptions
from lipsync_async.dispatch.account import LOG, Account
from lipsync_async.dispatch.missing import Made, Missing
from lipsync_async.errors import JournalError, Violation
from lipsync_async.models import LipSyncRequest, VideoSource
from lipsync_async.request.checks import Facts, is_given, too_large_sound
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import name_of_video

from .recording import Need, Source, SourceCall, about, broken, need_of
from .resolving import (
    LIVES,
    UPLOAD,
    Decision,
    Kept,
    Refused,
    Use,
    decide,
    session_of,
    with_audio,
    with_session,
    with_url,
)
from .sourcebook import Key, Sourcebook
from .uploads import LocalFile, Uploads, life_of

AT_ONCE = 8
"""Calls of a run that are under way at the same time."""
ELSEWHERE = 1.0
"""Seconds between two looks at a call that another process makes."""
DEATHS = 3
"""Sessions of a video that may die in a row before any create is accepted: no other is paid for after that."""
_CLOSED = frozenset({Kind.AUTH, Kind.QUOTA, Kind.PERMISSION, Kind.CONFIGURATION})
"""Refusals that would meet every call of that sort: no other is made in this run."""
_NO_UPLOADS = "the video is a file on this machine, and nothing was given that puts it where the gateway can fetch it"


class SourceMaker:
    """For one run; what it learns is in the `book`, which it may share with others."""

    def __init__(
        self, account: Account, book: Sourcebook, options: RunOptions | None = None, uploads: Uploads | None = None
    ) -> None:
        self._account = account
        self._uploads = uploads
        self._lives = LIVES if uploads is None else {**LIVES, UPLOAD: life_of(uploads)}
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
        """Whether a request names a video or a text, or has a sound that is put elsewhere first."""
        if request.source is not None or request.speech is not None:
            return True
        return self._uploads is not None and too_large_sound(request) is not None  # asked twice for every job

    @property
    def uploads(self) -> bool:
        """As `Maker` has it."""
        return self._uploads is not None

    def _large_sound(self, request: LipSyncRequest) -> LocalFile | None:
        sound = None if self._uploads is None else too_large_sound(request)
        return None if sound is None else LocalFile(sound)

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
        if (sound := self._large_sound(request)) is not None:
            lacking.append(need_of(sound))
        return lacking

    def _is_over(self, need: Need, made_id: str) -> bool:
        """Whether what a request has already can be used no more, as far as is known."""
        if made_id in self._book.spoiled:
            return True
        kept = self._book.at_hand(need.key)
        life = self._lives[need.key[0]]
        return kept is not None and kept.made_id == made_id and self._now() >= kept.asked_at + life

    def _now(self) -> float:
        return self._account.wall_clock()

    def _find(self, need: Need) -> Kept | Missing | None:
        """What is there for it; None: a call is under way, perhaps since just now."""
        if (failed := self._failed.get(need.key)) is not None:
            return failed
        if isinstance(need.source, VideoSource) and need.source.file is not None and self._uploads is None:
            return Missing(kind=Kind.VALIDATION, message=_NO_UPLOADS, rejected=True)
        if need.key in self._book.under_way:
            return None
        try:
            decision = self._decide(need, self._book.recall(need.key))
        except JournalError as error:
            return broken(error)
        if isinstance(decision, Use):
            return decision.kept
        if isinstance(decision, Refused):
            return Missing(kind=decision.kind, message=about(need, decision.message), rejected=True)
        if (closed := self._closed.get(need.key[0])) is not None:
            return closed
        task = self._account.loop.create_task(self._work(need), name="lipsync-source")
        self._book.under_way[need.key] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    def _decide(self, need: Need, kept: Kept | None) -> Decision:
        life, again = self._lives[need.key[0]], self._options.retry_rejected
        return decide(life, kept, self._now(), spoiled=self._book.spoiled, again=again)

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

    def abort(self) -> None:
        """As `Maker` has it; each stays on record as it is."""
        self._stopped = True
        for task in tuple(self._tasks):
            task.cancel()

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

    async def _work(self, need: Need) -> None:
        try:
            while True:
                async with self._places:
                    missing = self._closed.get(need.key[0])
                    if missing is not None or self._stopped:
                        break
                    if await self._book.may_make(need.key):
                        missing = await self._make(need)
                        break
                await asyncio.sleep(ELSEWHERE)
        except JournalError as error:
            missing = broken(error)
        except Exception as error:  # noqa: BLE001 - jobs wait for this: whatever it was, they must come out
            LOG.exception("%s: this is a fault of the library's", about(need, ""))
            missing = Missing(kind=Kind.PROTOCOL, message=about(need, f"{type(error).__name__}: {error}"))
        finally:
            self._account.loop.call_soon(self._book.over, need.key)
        if missing is not None:
            self._failed[need.key] = missing
            if not missing.rejected and missing.kind in _CLOSED:
                self._closed[need.key[0]] = missing

    async def _make(self, need: Need) -> Missing | None:
        """Makes the call, unless another process has made it by now. Raises `JournalError`."""
        try:
            kept = self._book.recall(need.key)
            decision = self._decide(need, kept)
            if isinstance(decision, Use | Refused):
                return None  # whoever waits finds it
            leave = partial(self._leave, need.source)
            call = SourceCall(self._account, self._book, need, kept, leave, self._uploads)
            return await call.make(decision, chances=1 if self._options.ambiguous == "report" else 2)
        finally:
            self._book.has_made(need.key)

    def _leave(self, source: Source) -> Missing | None:
        """The caller's leave to spend."""
        allow = self._options.allow_source
        if allow is None or isinstance(source, LocalFile):
            return None
        try:
            refusal = allow(source)
        except Exception as error:  # noqa: BLE001 - the caller's own code
            text = f"allow_source raised {type(error).__name__}: {error}"
            return Missing(kind=Kind.CONFIGURATION, message=text, ends_batch=True)
        return None if refusal is None else Missing(kind=Kind.QUOTA, message=refusal, ends_batch=True)


def _complete(request: LipSyncRequest, need: Need, kept: Kept) -> tuple[LipSyncRequest, Facts | None] | Violation:
    if isinstance(need.source, VideoSource):
        return with_session(request, session_of(kept, need.source))
    if isinstance(need.source, LocalFile):
        return with_url(request, kept), None
    completed = with_audio(request, kept)
    return completed if isinstance(completed, Violation) else (completed, None)
