"""What text to speech answers, in any dialect, at once or as a task (contract, sections 1 and 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from lipsync_async.terms import Reply, TaskStatus

from . import texts
from .faces import first_of, results_in
from .layers import Object, layers_of, parse
from .replies import read_reply
from .tasks import reason_in, units_in

_AUDIO_IDS = ("audio_id", "audioId")
_LISTS = ("audios", "audio_list")
_LENGTHS = ("duration", "audio_duration")
_URLS = ("url", "audio_url", "url_mp3")
_IS_URL = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)


@frozen(kw_only=True)
class SpeechReply:
    """What was answered about a text that is to be spoken."""

    reply: Reply
    audio_id: str | None = None
    url: str | None = None
    seconds: float | None = None
    units: str | None = None
    reason: str | None = None
    """Why its task failed."""

    nothing = False
    """There is always something to be spoken."""

    @property
    def made(self) -> bool:
        """The audio is there."""
        return self.audio_id is not None


def read_speech(
    status: int, headers: Mapping[str, str], body: bytes, *, broken: bool = False, now: float | None = None
) -> SpeechReply:
    """What text to speech answered; the parameters are those of `read_reply`. Never raises, whatever the bytes."""
    reply = read_reply(status, headers, body, broken=broken, now=now)
    top = parse(body).top
    if top is None:
        return SpeechReply(reply=reply)
    layers = layers_of(top)
    units = units_in(layers)
    reason = reason_in(layers) if reply.task_status is TaskStatus.FAILED else None
    if broken or reply.conflicting or not (reply.success and 200 <= status <= 299) or reason:
        return SpeechReply(reply=reply, reason=reason, units=units)
    audio_id, audio = _audio(layers)
    url = first_of(audio, _URLS)
    return SpeechReply(
        reply=reply,
        audio_id=audio_id,
        url=url if isinstance(url, str) and _IS_URL.fullmatch(url) else None,
        seconds=texts.number(first_of(audio, _LENGTHS)),
        units=units,
    )


def _audio(layers: list[Object]) -> tuple[str | None, Object]:
    """The audio's id, and the object that tells of it."""
    for place in results_in(layers):
        told = first_of(place, _LISTS)
        for audio in told if isinstance(told, list) else ():
            if isinstance(audio, dict) and (found := texts.word(first_of(audio, ("id", *_AUDIO_IDS)))):
                return found, audio
        if found := texts.word(first_of(place, _AUDIO_IDS)):
            return found, place
    return None, {}
