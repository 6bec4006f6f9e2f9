"""`check` walks a request and applies every rule of the contract's section 2.

Every rule has the same form: a cheap test that is true for a correct value (`is_plain_...`),
and a generator of violations (`..._faults`) that runs only when the test fails.
So a valid request pays for the tests alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from lipsync_async.errors import Violation
from lipsync_async.gateways import Gateway
from lipsync_async.given import no_request
from lipsync_async.models import BrokenRequest, FaceChoice, LipSyncRequest, SpeechSource

from .extra import extra_faults, watermark_faults
from .ids import is_plain_task_id, is_plain_text, task_id_faults, text_faults
from .limits import MAX_CUT, MIN_CUT
from .origin import awaits_session, awaits_speech, not_spoken, origin_faults
from .sound import clip_length, is_plain_voice, voice_faults
from .times import Facts, fact_faults, is_timely, timing_faults
from .urls import is_plain_link, url_faults
from .values import is_given, type_name
from .volumes import VOLUMES, is_plain_volume, volume_faults

# The defaults of `Gateway` are the strictest: those of the two resellers whose documents the contract began with.
_STRICTEST = Gateway(name="the strictest gateway", base_url="https://gateway.invalid")


def check(request: LipSyncRequest, gateway: Gateway | None = None, facts: Facts | None = None) -> list[Violation]:
    """Returns every violation of the contract's section 2, errors and warnings; an empty list for a valid request.

    `gateway` decides on fractional volumes, bare AAC, dropped zeros and the length of ids.
    Without it the rules of the strictest gateway apply.
    Never raises, whatever the fields contain.
    """
    if not isinstance(request, LipSyncRequest):
        if isinstance(request, BrokenRequest):
            return list(request.violations)
        return [Violation("", "not_a_request", no_request(request))]
    profile = _STRICTEST if gateway is None else gateway
    if request.checked and facts is None and len(request.external_task_id or "") <= profile.max_id_length:
        return []
    found: list[Violation] = []
    if not (awaits_session(request) or is_plain_text(request.session_id)):
        found += text_faults("session_id", request.session_id)
    if len(request.face_choose) != 1:
        found.append(_one_face_only(len(request.face_choose)))
    for index, face in enumerate(request.face_choose):
        _check_face(found, f"face_choose[{index}]", face, request, profile, facts)
    _check_options(found, request, profile)
    return found


def mark_if_clean(request: LipSyncRequest) -> None:
    """Marks a frozen request that the strictest gateway would take, so that later checks of it are skipped."""
    changeable = request.extra_body is not None or request.watermark_info is not None
    if not changeable and not check(request):
        object.__setattr__(request, "checked", True)


def errors_of(violations: Iterable[Violation]) -> list[Violation]:
    """The violations that forbid sending."""
    return [violation for violation in violations if violation.severity == "error"]


def warnings_of(violations: Iterable[Violation]) -> list[Violation]:
    """The violations that do not forbid sending."""
    return [violation for violation in violations if violation.severity == "warning"]


def _one_face_only(count: int) -> Violation:
    told = f"must hold exactly one face, not {count}: one person is taken at a time"
    return Violation("face_choose", "one_face_only", told)


def _check_face(
    found: list[Violation], path: str, face: object, request: LipSyncRequest, profile: Gateway, facts: Facts | None
) -> None:
    if not isinstance(face, FaceChoice):
        found.append(Violation(path, "not_a_face", f"must be a FaceChoice, not {type_name(face)}"))
        return
    if not (awaits_session(request) or is_plain_text(face.face_id)):
        found += text_faults(f"{path}.face_id", face.face_id)
    if awaits_speech(request, face):
        found.append(not_spoken(path))
        _check_times_ahead(found, path, face, request)
    else:
        _check_sound(found, path, face, profile, facts)
    if not (is_plain_volume(face.sound_volume) and is_plain_volume(face.original_audio_volume)):
        for name in VOLUMES:
            found += volume_faults(f"{path}.{name}", getattr(face, name), profile)


def _check_times_ahead(found: list[Violation], path: str, face: FaceChoice, request: LipSyncRequest) -> None:
    """Of a sound that is not made yet; where the cut ends with it, the shortest cut stands for it."""
    start = face.sound_start_time
    if isinstance(request.speech, SpeechSource) and request.speech.to_end is True and type(start) is int:
        face = evolve(face, sound_end_time=start + MIN_CUT)
    if not is_timely(face, MAX_CUT):
        found += timing_faults(path, face, None)


def _check_sound(found: list[Violation], path: str, face: FaceChoice, profile: Gateway, facts: Facts | None) -> None:
    length = None
    if not is_plain_voice(face.audio_id, face.sound_file):
        found += voice_faults(path, face, profile)
        length = clip_length(face.sound_file)
    if not is_timely(face, MAX_CUT if length is None else length):
        found += timing_faults(path, face, length)
    if facts is not None:
        found += fact_faults(path, face, facts)


def _check_options(found: list[Violation], request: LipSyncRequest, profile: Gateway) -> None:
    if request.source is not None or request.speech is not None:
        found += origin_faults(request)
    if not is_plain_task_id(request.external_task_id, profile.max_id_length):
        found += task_id_faults("external_task_id", request.external_task_id, profile.max_id_length)
    url = request.callback_url
    if url is not None and not is_plain_link(url) and is_given(url):
        found += url_faults("callback_url", url)
    if request.watermark_info is not None:
        found += watermark_faults("watermark_info", request.watermark_info)
    if request.extra_body is not None:
        found += extra_faults("extra_body", request.extra_body, request.external_task_id)
