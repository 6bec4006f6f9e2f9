"""One call for a video or a text, and what is on record of it: before it leaves, and when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from attrs import frozen
from msgspec.structs import replace

from lipsync_async.dispatch.account import LOG, Account
from lipsync_async.dispatch.missing import Missing
from lipsync_async.errors import (
    JournalError,
    LipSyncError,
    NoFaceError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    TaskFailedError,
    WaitTimeoutError,
)
from lipsync_async.models import SpeechSource, VideoSource
from lipsync_async.terms import Kind
from lipsync_async.wire.identity import name_of_speech, name_of_video

from .calling import Manner, identify, speak
from .resolving import SESSION, SPEECH, UPLOAD, Ask, Follow, Kept, Use, decide, keep_session, keep_speech
from .sourcebook import Key, Sourcebook
from .uploads import LocalFile, Uploads, life_of, put

AGAIN = 1.0
"""Seconds after a lost reply until the call is made once more."""
_AT_FAULT = frozenset({"content", "media"})
"""Why a gateway's task for it failed, where another would fail as well."""
_WORDS = {
    SESSION: "the faces of the video could not be identified",
    SPEECH: "the text could not be spoken",
    UPLOAD: "the sound is not there",
}
_TOLD = {SESSION: "video", SPEECH: "text"}
Source: TypeAlias = VideoSource | SpeechSource | LocalFile


@frozen
class Need:
    """One thing that a request is made of."""

    key: Key
    source: Source


def need_of(source: Source) -> Need:
    """What is kept of it has that key. Raises OSError where a file cannot be read."""
    if isinstance(source, VideoSource):
        return Need((SESSION, name_of_video(source)), source)
    if isinstance(source, LocalFile):
        return Need((UPLOAD, source.name), source)
    return Need((SPEECH, name_of_speech(source)), source)


class SourceCall:
    """One call, and what is on record of it."""

    def __init__(
        self,
        account: Account,
        book: Sourcebook,
        need: Need,
        kept: Kept | None,
        leave: Callable[[], Missing | None],
        uploads: Uploads | None = None,
    ) -> None:
        self._account = account
        self._uploads = uploads
        self._leave = leave
        self._book = book
        self._need = need
        self._kept = kept or Kept(state="cleared")
        self._sent = False

    async def make(self, decision: Ask | Follow, chances: int) -> Missing | None:
        """Makes it, at most so often; what kept it from being made, if anything. Raises `JournalError`."""
        task_id = decision.task_id if isinstance(decision, Follow) else None
        if isinstance(self._need.source, LocalFile):
            return await self._upload(self._need.source)
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
                    return Missing(kind=Kind(error.kind or Kind.SERVER), message=about(self._need, str(error)))
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
        source = self._need.source
        if isinstance(source, VideoSource):
            session = await identify(self._account, await self._reachable(source), manner)
            return keep_session(self._kept, session)
        assert isinstance(source, SpeechSource)
        speech = await speak(self._account, source, manner)
        return keep_speech(self._kept, speech)

    async def _reachable(self, video: VideoSource) -> VideoSource:
        """The video as the gateway can fetch it."""
        if video.file is None:
            return video
        return VideoSource(url=await self._url_of(LocalFile(video.file)), face=video.face)

    async def _upload(self, local: LocalFile) -> Missing | None:
        try:
            await self._url_of(local)
        except NotSentError as error:
            return Missing(kind=Kind.STORAGE, message=about(self._need, str(error)))
        return None

    async def _url_of(self, local: LocalFile) -> str:
        """Where a file is; it is put there once, as long as its URL works. Raises `NotSentError`."""
        assert self._uploads is not None
        key, now = (UPLOAD, local.name), self._account.wall_clock()
        decision = decide(life_of(self._uploads), self._book.recall(key), now)
        if isinstance(decision, Use) and decision.kept.made_id is not None:
            return decision.kept.made_id
        url = await put(self._uploads, local)
        await self._book.keep(key, Kept(state="done", asked_at=now, made_id=url))
        return url

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
        LOG.warning("%s, which may have been charged; it is made once more", about(self._need, why))
        self._kept = replace(self._kept, cut_off=self._kept.cut_off + 1)

    async def _without(self, error: LipSyncError) -> Missing:
        """What an error leaves on record, and what it means for the jobs."""
        if isinstance(error, JournalError):
            raise error
        kind = Kind(error.kind) if error.kind in set(Kind) else Kind.SERVER
        told = about(self._need, str(error))
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


def about(need: Need, message: str) -> str:
    """What a message is about."""
    return f"{_WORDS[need.key[0]]}: {message}"


def broken(error: JournalError) -> Missing:
    """What cannot be written down is not paid for."""
    return Missing(kind=Kind.STORAGE, message=str(error), ends_batch=True)
