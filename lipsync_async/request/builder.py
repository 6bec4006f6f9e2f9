"""A request, step by step: each step returns a new builder, so that one is the template of a thousand jobs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

from attrs import evolve, field, frozen

from lipsync_async.errors import InvalidRequestError, Violation
from lipsync_async.gateways import Gateway
from lipsync_async.models import FaceChoice, LipSyncRequest, Sound

from .audio import AudioBytes, AudioFile
from .checks import Facts, check, errors_of, is_given, mark_if_clean, url_faults
from .window import natural_end

_FACE = "face_choose[0]"
_SOUND = f"{_FACE}.sound_file"

# What every known gateway refuses: fractions, AAC and lost zeros are for the gateway that the client is made for.
_ANY = Gateway(
    name="any gateway",
    base_url="https://gateway.invalid",
    fractional_volumes=True,
    accepts_aac=True,
    drops_zero_volume=False,
)


@frozen(kw_only=True, repr=False)
class RequestBuilder:
    """Builds a `LipSyncRequest`; immutable, and no step raises: `build` tells all that is wrong at once.

    Times are whole milliseconds.
    What is not said: the window begins at 0 and is inserted at 0, both volumes are 1.
    """

    _session_id: str = ""
    _face_id: str = ""
    _audio_id: str | None = None
    _sound: Sound | None = None
    _sound_fault: Violation | None = None
    """Why the last sound step came to nothing."""
    _start: int = 0
    _end: int | None = None
    _insert: int = 0
    _sound_volume: float = 1
    _original_volume: float = 1
    _external_task_id: str | None = None
    _callback_url: str | None = None
    _watermark: bool | None = None
    _extra: Mapping[str, Any] = field(factory=dict)

    def session(self, session_id: str) -> RequestBuilder:
        """The session that identify-face opened; it lives for about 24 hours."""
        return evolve(self, session_id=session_id)

    def face(self, face_id: str) -> RequestBuilder:
        """The face that is to speak, by its `face_id` from identify-face."""
        return evolve(self, face_id=face_id)

    def audio_id(self, audio_id: str) -> RequestBuilder:
        """Speak the audio that text to speech made, by its id; replaces any other sound."""
        return self._with_sound(audio_id=audio_id)

    def audio_url(self, url: str) -> RequestBuilder:
        """Speak the sound at an http or https URL; replaces any other sound."""
        fault = next(url_faults(_SOUND, url), None)
        return self._with_sound(sound_fault=fault) if fault else self._with_sound(sound=url)

    def audio_file(self, path: str | os.PathLike[str]) -> RequestBuilder:
        """Speak a file; replaces any other sound.

        It is read and probed here, once for all builders that are made from this one.
        A file that can't be read is told by `build`, as `unreadable_file`.
        """
        try:
            return self._with_sound(sound=AudioFile(path))
        except (OSError, TypeError, ValueError) as error:  # a path that holds a NUL is a ValueError
            told = (error.strerror if isinstance(error, OSError) else None) or error
            return self._with_sound(
                sound_fault=Violation(_SOUND, "unreadable_file", f"{_show_path(path)} can't be read: {told}")
            )

    def audio_bytes(self, data: bytes) -> RequestBuilder:
        """Speak bytes, probed now; replaces any other sound."""
        try:
            return self._with_sound(sound=AudioBytes(data))
        except TypeError as error:
            return self._with_sound(sound_fault=Violation(_SOUND, "not_a_sound", str(error)))

    def window(self, start: int = 0, end: int | None = None, insert: int = 0) -> RequestBuilder:
        """Cut the sound from `start` to `end`, and begin to play it `insert` into the video; all in milliseconds.

        An `end` that is left out is the sound's own, at most 60000 after `start`.
        It must be given where the sound's length is not known: for an id, a URL, an odd file.
        """
        return evolve(self, start=start, end=end, insert=insert)

    def volume(self, sound: float = 1, original: float = 1) -> RequestBuilder:
        """How loud the sound and the video's own are, 0 to 2; which gateways take fractions, its profile says."""
        return evolve(self, sound_volume=sound, original_volume=original)

    def external_task_id(self, external_task_id: str) -> RequestBuilder:
        """The job's key, `[A-Za-z0-9_-]`, unique in the account; without it one is derived from the content."""
        return evolve(self, external_task_id=external_task_id)

    def callback(self, url: str) -> RequestBuilder:
        """Have the gateway tell an http or https URL of the task's progress."""
        return evolve(self, callback_url=url)

    def watermark(self, enabled: bool) -> RequestBuilder:
        """Whether a watermarked video is made as well."""
        return evolve(self, watermark=enabled)

    def extra(self, **fields: Any) -> RequestBuilder:
        """Fields that a gateway wants beyond these, merged over those of earlier calls."""
        return evolve(self, extra={**self._extra, **fields})

    def check(self, gateway: Gateway | None = None, facts: Facts | None = None) -> list[Violation]:
        """Errors and warnings, as `build` would find them; never raises."""
        return self._violations(self._request(), gateway, facts)

    def build(self, gateway: Gateway | None = None, facts: Facts | None = None) -> LipSyncRequest:
        """The request; without `gateway` it keeps the rules that all share, and the client checks those of its own.

        Raises `InvalidRequestError` with all errors; warnings do not raise.
        """
        request = self._request()
        errors = errors_of(self._violations(request, gateway, facts))
        if errors:
            known = self._external_task_id if isinstance(self._external_task_id, str) else None
            raise InvalidRequestError(errors, external_task_id=known)
        mark_if_clean(request)
        return request

    def __repr__(self) -> str:
        return f"<RequestBuilder session {_show(self._session_id)}, face {_show(self._face_id)}, {self._told_sound()}>"

    def _told_sound(self) -> str:
        if self._sound_fault is not None:
            return "a sound that can't be used"
        if self._audio_id is not None:
            return f"audio {_show(self._audio_id)}"
        return "no sound" if self._sound is None else repr(self._sound)

    def _with_sound(
        self, *, audio_id: str | None = None, sound: Sound | None = None, sound_fault: Violation | None = None
    ) -> RequestBuilder:
        return evolve(self, audio_id=audio_id, sound=sound, sound_fault=sound_fault)

    def _request(self) -> LipSyncRequest:
        return LipSyncRequest(
            session_id=self._session_id,
            face_choose=(self._face(),),
            external_task_id=self._external_task_id,
            callback_url=self._callback_url,
            watermark_info=None if self._watermark is None else {"enabled": self._watermark},
            extra_body=dict(self._extra) or None,
        )

    def _face(self) -> FaceChoice:
        end = self._end if self._end is not None else natural_end(self._sound, self._start)
        return FaceChoice(
            face_id=self._face_id,
            audio_id=self._audio_id,
            sound_file=self._sound,
            sound_start_time=self._start,
            # Not given and not known: `check` reports the None, and `_violations` says it better.
            sound_end_time=cast("int", end),
            sound_insert_time=self._insert,
            sound_volume=self._sound_volume,
            original_audio_volume=self._original_volume,
        )

    def _violations(self, request: LipSyncRequest, gateway: Gateway | None, facts: Facts | None) -> list[Violation]:
        found = check(request, _ANY if gateway is None else gateway, facts)
        if self._sound_fault is not None:
            found = [self._sound_fault if one.rule == "no_sound" else one for one in found]
        if request.face_choose[0].sound_end_time is None:
            found = [told for one in found if (told := self._about_the_end(one)) is not None]
        return found

    def _about_the_end(self, violation: Violation) -> Violation | None:
        """An end that was left out is the user's to give only when there is a sound that does not tell its length."""
        if violation.path != f"{_FACE}.sound_end_time":
            return violation
        if not is_given(self._audio_id) and not is_given(self._sound):
            return None
        return Violation(
            violation.path, "window_end_unknown", "the sound's length is not known: name it, window(end=...)"
        )


def _show(value: object) -> str:
    # The repr of what is no text may raise (an int of 5000 digits does), and a builder's never should.
    return repr(value[:60]) if isinstance(value, str) else f"<{type(value).__name__}>"


def _show_path(path: object) -> str:
    # What is no path may be a sound, and no sound belongs in a text.
    shown = str(path) if isinstance(path, str | os.PathLike) else ""
    return repr(shown) if 0 < len(shown) <= 1_024 else f"what was given ({type(path).__name__})"
