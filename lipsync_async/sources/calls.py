"""What a program can ask for before it has a job: `LipSyncClient` has these calls beside its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.json import Encoder

from lipsync_async.dispatch.account import Account
from lipsync_async.errors import InvalidRequestError, Violation
from lipsync_async.models import SpeechSource, VideoSource
from lipsync_async.request.checks import IDENTIFY_UNITS, SPEECH_UNITS, errors_of, speech_faults, video_faults
from lipsync_async.request.session import FaceSession
from lipsync_async.request.speech import Speech
from lipsync_async.wire.faces import FacesReply, read_faces
from lipsync_async.wire.speech import SpeechReply, read_speech

from .paying import Call, Paying

Uploads = Callable[[Path], Awaitable[str]]
"""Puts a local file where the gateway can fetch it, and returns its URL, which lasts as long as the batch may take."""

_encode = Encoder(order="sorted").encode


class SourceCalls:
    """The calls about videos and texts; each is paid by itself (contract, section 7)."""

    def _ready(self) -> Account:
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
        account, video = self._ready(), VideoSource(url=video_url, video_id=video_id)
        _refuse(errors_of(video_faults("video", video)))
        asked_at = account.wall_clock()
        named = {"video_url": video_url} if video_url else {"video_id": video_id}
        call = Call(
            name="identify_faces",
            url=account.gateway.faces_url,
            read=read_faces,
            units=IDENTIFY_UNITS,
            body=_body(named, extra_body),
        )
        found: FacesReply = await Paying(account, call, timeout).make(task_id)
        assert found.session_id is not None
        return FaceSession(
            session_id=found.session_id, faces=found.faces or (), video=video, opened_at=asked_at, units=found.units
        )

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
        account = self._ready()
        source = SpeechSource(text=text, voice_id=voice_id, language=language, speed=speed)
        _refuse(errors_of(speech_faults("speech", source)))
        asked_at = account.wall_clock()
        fields = {"text": text, "voice_id": voice_id, "voice_language": language, "voice_speed": speed}
        call = Call(
            name="synthesize_speech",
            url=account.gateway.speech_url,
            read=read_speech,
            units=SPEECH_UNITS,
            body=_body(fields, extra_body),
        )
        made: SpeechReply = await Paying(account, call, timeout).make(task_id)
        assert made.audio_id is not None
        return Speech(
            audio_id=made.audio_id,
            source=source,
            made_at=asked_at,
            seconds=made.seconds,
            url=made.url,
            units=made.units,
        )


def _refuse(faults: list[Violation]) -> None:
    if faults:
        raise InvalidRequestError(faults)


def _body(fields: Mapping[str, Any], extra: Mapping[str, Any] | None) -> bytes:
    """Extras come last and win. Raises `InvalidRequestError` for what JSON has not."""
    try:
        return _encode({**fields, **(extra or {})})
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError([Violation("extra_body", "not_json", str(error))]) from error
