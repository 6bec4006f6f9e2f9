"""The two small calls as values: what is asked, and what its answer is made into."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import frozen
from msgspec.json import Encoder

from lipsync_async.dispatch.account import Account
from lipsync_async.errors import InvalidRequestError, Violation
from lipsync_async.models import SpeechSource, VideoSource
from lipsync_async.request.checks import IDENTIFY_UNITS, SPEECH_UNITS
from lipsync_async.request.session import FaceSession
from lipsync_async.request.speech import Speech
from lipsync_async.wire.faces import FacesReply, read_faces
from lipsync_async.wire.speech import SpeechReply, read_speech

from .paying import Call, Paying

_encode = Encoder(order="sorted").encode


@frozen(kw_only=True)
class Manner:
    """How such a call is made."""

    timeout: float | None = 300.0
    """Seconds; None: as long as it takes."""
    task_id: str | None = None
    """That of a call before, whose task is only waited for."""
    extra_body: Mapping[str, Any] | None = None
    before: Callable[[], Awaitable[None]] | None = None
    on_task: Callable[[str], Awaitable[None]] | None = None
    """As `Call` has them."""


async def identify(account: Account, video: VideoSource, manner: Manner) -> FaceSession:
    """Finds the faces of a video that is in order. Raises what `SourceCalls.identify_faces` does."""
    asked_at = account.wall_clock()
    named = {"video_url": video.url} if video.url else {"video_id": video.video_id}
    call = Call(
        name="identify_faces",
        url=account.gateway.faces_url,
        read=read_faces,
        units=IDENTIFY_UNITS,
        body=_body(named, manner.extra_body),
        before=manner.before,
        on_task=manner.on_task,
    )
    found: FacesReply = await Paying(account, call, manner.timeout).make(manner.task_id)
    assert found.session_id is not None
    return FaceSession(
        session_id=found.session_id, faces=found.faces or (), video=video, opened_at=asked_at, units=found.units
    )


async def speak(account: Account, source: SpeechSource, manner: Manner) -> Speech:
    """Speaks a text that is in order. Raises what `SourceCalls.synthesize_speech` does."""
    asked_at = account.wall_clock()
    fields: dict[str, str | float] = {"text": source.text, "voice_id": source.voice_id}
    fields |= {"voice_language": source.language, "voice_speed": source.speed}
    call = Call(
        name="synthesize_speech",
        url=account.gateway.speech_url,
        read=read_speech,
        units=SPEECH_UNITS,
        body=_body(fields, manner.extra_body),
        before=manner.before,
        on_task=manner.on_task,
    )
    made: SpeechReply = await Paying(account, call, manner.timeout).make(manner.task_id)
    assert made.audio_id is not None
    return Speech(
        audio_id=made.audio_id,
        source=source,
        made_at=asked_at,
        seconds=made.seconds,
        url=made.url,
        units=made.units,
    )


def _body(fields: Mapping[str, Any], extra: Mapping[str, Any] | None) -> bytes:
    """Extras come last and win. Raises `InvalidRequestError` for what JSON has not."""
    try:
        return _encode({**fields, **(extra or {})})
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError([Violation("extra_body", "not_json", str(error))]) from error
