"""Builds a request step by step: each step returns a new builder, so one builder can be the template of many jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, cast, overload

from attrs import evolve, field, frozen

from lipsync_async.errors import InvalidRequestError, Violation
from lipsync_async.gateways import Gateway
from lipsync_async.given import whole
from lipsync_async.models import FaceChoice, LipSyncRequest, Sound, SpeechSource, VideoSource

from .audio import AudioBytes, AudioFile
from .checks import MAX_CUT, Facts, but_pending, check, errors_of, is_given, mark_if_clean, url_faults
from .faces import Face, choose_face
from .speech import Speech
from .video import VideoFile
from .window import natural_end

_FACE = "face_choose[0]"
_SOUND = f"{_FACE}.sound_file"

# The most permissive gateway: the client checks fractions, AAC and dropped zeros by the rules of its own gateway.
_ANY = Gateway(
    name="any gateway",
    base_url="https://gateway.invalid",
    fractional_volumes=True,
    accepts_aac=True,
    drops_zero_volume=False,
)


@frozen(kw_only=True, repr=False)
class RequestBuilder:
    """Builds a `LipSyncRequest`; it is immutable, and no step raises: `build` reports everything that is wrong.

    All times are whole milliseconds.
    By default the sound is cut from 0, is inserted at 0, and both volumes are 1.
    """

    _session_id: str = ""
    _face_id: str = ""
    _source: VideoSource | None = None
    _faces: tuple[Face, ...] | None = None
    """Those of the session, where they are known; `_face_id` is a rule then."""
    _video_length: int | None = None
    _speech: Speech | None = None
    _words: SpeechSource | None = None
    """A text that is still to be spoken."""
    _audio_id: str | None = None
    _sound: Sound | None = None
    _sound_fault: Violation | None = None
    """Why the last step that set the sound failed."""
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
        """Sets the session that identify-face opened; it expires after about 24 hours."""
        return evolve(self, session_id=session_id, source=None, faces=None, video_length=None)

    def video(self, url: str | None = None, *, video_id: str | None = None, face: str = "only") -> RequestBuilder:
        """Sets the video by its URL, or the id that Kling gave it, in place of a session: the client identifies it.

        `face` is `only`, `first`, `longest` or a `face_id`; what needs the session is checked when it is there.
        """
        source = VideoSource(url=url, video_id=video_id, face=face)
        return evolve(self, session_id="", face_id="", source=source, faces=None, video_length=None)

    def face(self, face_id: str) -> RequestBuilder:
        """Sets the face that is to speak, by its `face_id` from identify-face.

        Where a `FaceSession` started the builder, or it names its video, it may also be `only`, `first` or `longest`.
        """
        source = None if self._source is None else evolve(self._source, face=face_id)
        waits = self._source is not None and not self._session_id
        return evolve(self, face_id="" if waits else face_id, source=source)

    def audio_id(self, audio_id: str) -> RequestBuilder:
        """Sets the sound to an audio that text to speech made; replaces any other sound."""
        return self._with_sound(audio_id=audio_id)

    def speech(self, speech: Speech) -> RequestBuilder:
        """Sets the sound to a text that `synthesize_speech` spoke; replaces any other sound.

        The job's id is made of the text and its voice, so that the same text spoken anew is the same job.
        """
        return evolve(self._with_sound(audio_id=speech.audio_id), speech=speech)

    def video_file(self, path: str | os.PathLike[str], *, face: str = "only") -> RequestBuilder:
        """Sets the video to a file on this machine, which the client's `uploads` puts where the gateway can fetch it.

        Its headers are looked at now.
        Raises `OSError` if it can't be read.
        """
        return evolve(self.video(face=face), source=VideoSource(file=VideoFile(path), face=face))

    def text(self, text: str, voice_id: str, *, language: str = "en", speed: float = 1.0) -> RequestBuilder:
        """Sets the sound to a text, which the client has spoken by one of Kling's voices; replaces any other sound.

        Without an end of the window the cut ends with the speech.
        """
        source = SpeechSource(text=text, voice_id=voice_id, language=language, speed=speed)
        return evolve(self._with_sound(), words=source)

    def audio_url(self, url: str) -> RequestBuilder:
        """Sets the sound to an http or https URL; replaces any other sound."""
        fault = next(url_faults(_SOUND, url), None)
        return self._with_sound(sound_fault=fault) if fault else self._with_sound(sound=url)

    def audio_file(self, path: str | os.PathLike[str]) -> RequestBuilder:
        """Sets the sound to a file; replaces any other sound.

        The file is read and probed now, once for all builders that are made from this one.
        If it can't be read, `build` reports it as `unreadable_file`.
        """
        try:
            return self._with_sound(sound=AudioFile(path))
        except (OSError, TypeError, ValueError) as error:  # a path that holds a NUL is a ValueError
            told = (error.strerror if isinstance(error, OSError) else None) or error
            return self._with_sound(
                sound_fault=Violation(_SOUND, "unreadable_file", f"{_show_path(path)} can't be read: {told}")
            )

    def audio_bytes(self, data: bytes) -> RequestBuilder:
        """Sets the sound to bytes, which are probed now; replaces any other sound."""
        try:
            return self._with_sound(sound=AudioBytes(data))
        except TypeError as error:
            return self._with_sound(sound_fault=Violation(_SOUND, "not_a_sound", str(error)))

    def window(self, start: int = 0, end: int | None = None, insert: int = 0) -> RequestBuilder:
        """Cuts the sound from `start` to `end`, and plays it from `insert` in the video; all in milliseconds.

        Without `end` the cut ends with the sound, at most 60000 ms after `start`.
        `end` is required if the length of the sound is not known: for an id, a URL, or a file that does not tell it.
        """
        return evolve(self, start=whole(start), end=whole(end), insert=whole(insert))

    def volume(self, sound: float = 1, original: float = 1) -> RequestBuilder:
        """Sets the volume of the sound and of the video's own sound, from 0 to 2; not every gateway takes fractions."""
        return evolve(self, sound_volume=sound, original_volume=original)

    def external_task_id(self, external_task_id: str) -> RequestBuilder:
        """Sets the job's id, `[A-Za-z0-9_-]`, unique in the account; without it one is derived from the content."""
        return evolve(self, external_task_id=external_task_id)

    def callback(self, url: str) -> RequestBuilder:
        """Sets the http or https URL that the gateway calls when the state of the task changes."""
        return evolve(self, callback_url=url)

    def watermark(self, enabled: bool) -> RequestBuilder:
        """Sets whether a watermarked video is made too."""
        return evolve(self, watermark=enabled)

    def extra(self, **fields: Any) -> RequestBuilder:
        """Adds fields that a gateway wants; they replace those of earlier calls with the same name."""
        return evolve(self, extra={**self._extra, **fields})

    def check(self, gateway: Gateway | None = None, facts: Facts | None = None) -> list[Violation]:
        """Returns the errors and warnings that there are; never raises.

        `build` takes a video that is not identified, and a text that is not spoken: the client does that.

        `facts`: what is known of the video and the face; None: what the session told.
        """
        return self._violations(self._request(), gateway, facts)

    @overload
    def build(
        self,
        gateway: Gateway | None = None,
        facts: Facts | None = None,
        *,
        uploads: bool = False,
        on_invalid: None = None,
    ) -> LipSyncRequest: ...
    @overload
    def build(
        self,
        gateway: Gateway | None = None,
        facts: Facts | None = None,
        *,
        uploads: bool = False,
        on_invalid: Callable[[InvalidRequestError], object],
    ) -> LipSyncRequest | None: ...
    def build(
        self,
        gateway: Gateway | None = None,
        facts: Facts | None = None,
        *,
        uploads: bool = False,
        on_invalid: Callable[[InvalidRequestError], object] | None = None,
    ) -> LipSyncRequest | None:
        """Returns the request.

        `uploads`: the client has some, so a sound file may be larger than a create takes.
        Without `gateway` only the rules of all gateways are checked; the client checks those of its own gateway later.
        Raises `InvalidRequestError` with all errors; warnings do not raise.
        `on_invalid` is called with that error in place of raising it, and None is returned: so one bad voice does not
        end a generator that makes jobs for a `stream`.
        """
        made = self.build_or_violations(gateway, facts, uploads=uploads)
        if isinstance(made, LipSyncRequest):
            return made
        known = self._external_task_id if isinstance(self._external_task_id, str) else None
        error = InvalidRequestError(list(made), external_task_id=known)
        if on_invalid is None:
            raise error
        on_invalid(error)
        return None

    def build_or_violations(
        self, gateway: Gateway | None = None, facts: Facts | None = None, *, uploads: bool = False
    ) -> LipSyncRequest | tuple[Violation, ...]:
        """Returns the request, or all errors that there are; never raises. The parameters are those of `build`."""
        request = self._request()
        errors = but_pending(errors_of(self._violations(request, gateway, facts)), request, uploads=uploads)
        if errors:
            return tuple(errors)
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
        return evolve(self, audio_id=audio_id, sound=sound, sound_fault=sound_fault, speech=None, words=None)

    def _request(self) -> LipSyncRequest:
        words = self._words if self._speech is None else self._speech.source
        return LipSyncRequest(
            session_id=self._session_id,
            face_choose=(self._face(),),
            external_task_id=self._external_task_id,
            callback_url=self._callback_url,
            watermark_info=None if self._watermark is None else {"enabled": self._watermark},
            extra_body=dict(self._extra) or None,
            source=self._source,
            speech=None if words is None else evolve(words, to_end=self._end is None),
        )

    def _chosen(self) -> Face | Violation | None:
        """The face that the rule names; None where the session's faces are not known."""
        return None if self._faces is None else choose_face(self._faces, self._face_id)

    def _face(self) -> FaceChoice:
        seconds = None if self._speech is None else self._speech.seconds
        if self._words is not None:
            seconds = 2 * MAX_CUT / 1_000  # stands for the length of what is not spoken yet
        end = self._end if self._end is not None else natural_end(self._sound, self._start, seconds)
        chosen = self._chosen()
        return FaceChoice(
            face_id=chosen.face_id if isinstance(chosen, Face) else self._face_id,
            audio_id=self._audio_id,
            sound_file=self._sound,
            sound_start_time=self._start,
            # If it is neither given nor known, `check` reports the None, and `_violations` replaces that message.
            sound_end_time=cast("int", end),
            sound_insert_time=self._insert,
            sound_volume=self._sound_volume,
            original_audio_volume=self._original_volume,
        )

    def _violations(self, request: LipSyncRequest, gateway: Gateway | None, facts: Facts | None) -> list[Violation]:
        chosen = self._chosen()
        if facts is None and self._faces is not None:
            facts = Facts(video_length=self._video_length, face=chosen if isinstance(chosen, Face) else None)
        found = check(request, _ANY if gateway is None else gateway, facts)
        if isinstance(chosen, Violation):
            found = [chosen, *(one for one in found if one.path != chosen.path)]
        if self._sound_fault is not None:
            found = [self._sound_fault if one.rule == "no_sound" else one for one in found]
        if request.face_choose[0].sound_end_time is None:
            found = [told for one in found if (told := self._about_the_end(one)) is not None]
        return found

    def _about_the_end(self, violation: Violation) -> Violation | None:
        """Replaces a violation of an `end` that was left out; None if there is no sound, which is reported already."""
        if violation.path != f"{_FACE}.sound_end_time":
            return violation
        if not is_given(self._audio_id) and not is_given(self._sound):
            return None
        return Violation(
            violation.path, "window_end_unknown", "the sound's length is not known: give its end, window(end=...)"
        )


def _show(value: object) -> str:
    # The repr of another type may raise (that of an int of 5000 digits does), and the repr of a builder must not.
    return repr(value[:60]) if isinstance(value, str) else f"<{type(value).__name__}>"


def _show_path(path: object) -> str:
    # A value that is no path may be a sound, and a message must not contain a sound.
    shown = str(path) if isinstance(path, str | os.PathLike) else ""
    return repr(shown) if 0 < len(shown) <= 1_024 else f"what was given ({type(path).__name__})"
