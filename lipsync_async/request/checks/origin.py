"""The rules for what a session or an audio was made of; neither is sent, and the job's id is made of both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from lipsync_async.errors import Violation
from lipsync_async.models import FaceChoice, LipSyncRequest, SpeechSource, VideoSource
from lipsync_async.request.audio import AudioFile
from lipsync_async.request.faces import FACE_RULES
from lipsync_async.request.video import VideoFile, file_faults

from .ids import text_faults
from .limits import FASTEST_SPEECH, LARGE_SOUND_BYTES, MAX_SPEECH_TEXT, SLOWEST_SPEECH
from .urls import url_faults
from .values import is_given, is_unicode, type_name, unencodable

NOT_IDENTIFIED = "not_identified"
"""The rule of a request that names a video and has no session yet."""
NOT_SPOKEN = "not_spoken"
"""The rule of a request that names a text and has no audio yet."""
_A_WORD = re.compile(r"[^\W\d_]{2,}(?:[ _-]+[^\W\d_]+)*")
"""Letters alone: no gateway has such ids of faces."""
PENDING = frozenset({NOT_IDENTIFIED, NOT_SPOKEN})


def but_pending(
    violations: Iterable[Violation], request: LipSyncRequest | None = None, *, uploads: bool = False
) -> list[Violation]:
    """Those that are there whatever is still made of the video and the text.

    `uploads`: a sound of the request's that is too large for a create is put where the gateway can fetch it.
    """
    found = [violation for violation in violations if violation.rule not in PENDING]
    if uploads and request is not None and too_large_sound(request) is not None:
        found = [violation for violation in found if violation.rule not in {"sound_too_large", "sound_large"}]
    return found


def too_large_sound(request: LipSyncRequest) -> AudioFile | None:
    """The sound file of a request that does not fit into a create, as some gateways count."""
    face = request.face_choose[0] if len(request.face_choose) == 1 else None
    sound = face.sound_file if isinstance(face, FaceChoice) else None
    return sound if isinstance(sound, AudioFile) and sound.size > LARGE_SOUND_BYTES else None


def awaits_session(request: LipSyncRequest) -> bool:
    """Whether a request names a video whose faces are not identified yet."""
    return request.source is not None and not is_given(request.session_id)


def awaits_speech(request: LipSyncRequest, face: FaceChoice) -> bool:
    """Whether a request names a text that no audio is made of yet."""
    return request.speech is not None and not is_given(face.audio_id) and not is_given(face.sound_file)


def not_spoken(path: str) -> Violation:
    """The violation for a request that names a text and has no audio yet."""
    return Violation(f"{path}.audio_id", NOT_SPOKEN, "the text is to be spoken first")


def video_faults(path: str, video: object) -> Iterator[Violation]:
    """A video is named by its URL or by its id, and its face by a word or an id."""
    if not isinstance(video, VideoSource):
        yield Violation(path, "not_a_video", f"must be a VideoSource, not {type_name(video)}")
        return
    if [is_given(video.url), is_given(video.video_id), video.file is not None].count(True) != 1:
        yield Violation(path, "one_video_only", "give exactly one of url, video_id and file")
    if isinstance(video.file, VideoFile):
        yield from file_faults(f"{path}.file", video.file.info)
    elif video.file is not None:
        yield Violation(f"{path}.file", "not_a_video", f"must be a VideoFile, not {type_name(video.file)}")
    if is_given(video.url):
        yield from url_faults(f"{path}.url", video.url)
    if is_given(video.video_id):
        yield from text_faults(f"{path}.video_id", video.video_id)
    yield from _face_faults(f"{path}.face", video.face)


def _face_faults(path: str, face: object) -> Iterator[Violation]:
    if isinstance(face, str) and face not in FACE_RULES and _A_WORD.fullmatch(face):
        told = f"must be only, first or longest, or the id of a face such as 0: {face[:40]!r} is none of them"
        yield Violation(path, "face_rule", told)
    else:
        yield from text_faults(path, face)


def speech_faults(path: str, speech: object) -> Iterator[Violation]:
    """A text of at most 1,000 characters, a voice, and a speed that the platform speaks at."""
    if not isinstance(speech, SpeechSource):
        yield Violation(path, "not_a_speech", f"must be a SpeechSource, not {type_name(speech)}")
        return
    yield from _words_faults(f"{path}.text", speech.text)
    yield from text_faults(f"{path}.voice_id", speech.voice_id)
    yield from text_faults(f"{path}.language", speech.language)
    yield from _speed_faults(f"{path}.speed", speech.speed)


def _speed_faults(path: str, speed: object) -> Iterator[Violation]:
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not math.isfinite(speed):
        yield Violation(path, "not_a_number", f"must be a number, not {type_name(speed)}")
    elif not SLOWEST_SPEECH <= speed <= FASTEST_SPEECH:
        yield Violation(path, "speed_out_of_range", f"must be from {SLOWEST_SPEECH} to {FASTEST_SPEECH}")


def _words_faults(path: str, text: object) -> Iterator[Violation]:
    if not isinstance(text, str):
        yield Violation(path, "not_a_string", f"must be a string, not {type_name(text)}")
    elif not text.strip():
        yield Violation(path, "empty", "must not be empty")
    elif not is_unicode(text):
        yield unencodable(path)
    elif len(text) > MAX_SPEECH_TEXT:
        told = f"must be at most {MAX_SPEECH_TEXT} characters, and has {len(text)}"
        yield Violation(path, "text_too_long", told)


def origin_faults(request: LipSyncRequest) -> Iterator[Violation]:
    """The faults of both, and what is still to be made of them."""
    if request.source is not None:
        yield from video_faults("source", request.source)
        if awaits_session(request):
            yield Violation("session_id", NOT_IDENTIFIED, "the faces of the video are to be identified first")
    if request.speech is not None:
        yield from speech_faults("speech", request.speech)
