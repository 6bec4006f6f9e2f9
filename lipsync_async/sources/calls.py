"""What a program can ask for before it has a job: `LipSyncClient` has these calls beside its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lipsync_async.dispatch.account import Account
from lipsync_async.errors import InvalidRequestError, Violation
from lipsync_async.models import SpeechSource, VideoSource
from lipsync_async.request.checks import errors_of, speech_faults, video_faults
from lipsync_async.request.session import FaceSession
from lipsync_async.request.speech import Speech

from .calling import Manner, identify, speak


class SourceCalls:
    """The calls about videos and texts; each is paid by itself (contract, section 7)."""

    def _at_work(self) -> Account:
        raise NotImplementedError

    async def identify_faces(
        self,
        *,
        video_url: str | None = None,
        video_id: str | None = None,
        task_id: str | None = None,
        timeout: float | None = 300.0,
        extra_body: Mapping[str, Any] | None = None,
    ) -> FaceSession:
        """Finds the faces of a video, by its URL or the id that Kling gave it; it costs 0.05 unit at list price.

        Its session is good for a day: `session.builder()` starts a job.
        `timeout` is in seconds (None: as long as it takes); `task_id` waits for a call that was not over in time.
        `extra_body`: more fields that a gateway wants, such as `model_name`.
        Raises `InvalidRequestError`, `NoFaceError`, `RejectedError`, `NotSentError` (safe to call again), or
        `OutcomeUnknownError` (its reply was lost and it may have been charged: it is not sent again by itself);
        where the gateway makes it a task, `TaskFailedError`, `TaskError` or `WaitTimeoutError` as well.
        """
        account, video = self._at_work(), VideoSource(url=video_url, video_id=video_id)
        _refuse(errors_of(video_faults("video", video)))
        manner = Manner(timeout=timeout, task_id=task_id, extra_body=extra_body)
        return await identify(account, video, manner)

    async def synthesize_speech(
        self,
        text: str,
        voice_id: str,
        *,
        language: str = "en",
        speed: float = 1.0,
        task_id: str | None = None,
        timeout: float | None = 300.0,
        extra_body: Mapping[str, Any] | None = None,
    ) -> Speech:
        """Speaks a text with one of Kling's voices; it costs 0.05 unit at list price.

        `speech.audio_id` is good for 30 days: `builder.speech(speech)` makes it a job's sound.
        `language` is `en` or `zh`, and `speed` from 0.8 to 2.
        The other parameters, and what is raised, are those of `identify_faces`.
        """
        account = self._at_work()
        source = SpeechSource(text=text, voice_id=voice_id, language=language, speed=speed)
        _refuse(errors_of(speech_faults("speech", source)))
        manner = Manner(timeout=timeout, task_id=task_id, extra_body=extra_body)
        return await speak(account, source, manner)


def _refuse(faults: list[Violation]) -> None:
    if faults:
        raise InvalidRequestError(faults)
