"""The pre-flight: what is wrong with a request, all of it at once, before anything is sent (contract, section 2).

Every rule has the same form: one cheap test that all is well, and a generator behind it that says what is not.
So the list of rules can be read from the tests, and a valid request pays for the tests alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from attrs import field, frozen, validators

from lipsync_async.errors import Violation
from lipsync_async.gateways import Gateway
from lipsync_async.models import FaceChoice, LipSyncRequest

from .audio import AudioBytes, AudioFile, AudioInfo, Container, base64_size
from .sound_rules import codec_warnings

MIN_CUT, MAX_CUT = 2_000, 60_000
"""Milliseconds of sound that are taken, before and after it is cut."""
SLACK = 100
"""Milliseconds by which decoders disagree on a clip's length: so near a limit we warn, the gateway decides."""
INTERVAL_SLACK = 50
"""Milliseconds by which identify-face may report a face's end too late ("a few", in the contract; a frame or two)."""
MAX_SOUND_BYTES, LARGE_SOUND_BYTES = 5_242_880, 5_000_000
"""The limit is "5 MB" of the file itself: refused by its larger reading, warned of by its smaller."""
TINY_SOUND_BYTES = 1_000
"""2 s at the lowest bit rate of MP3 are 2,000 bytes: a far shorter Base64 text is more likely a file's name."""
MAX_INTEGER = 2**63 - 1
"""What a gateway's 64 bits hold."""
MAX_EXTRA_DEPTH, MAX_EXTRA_VALUES = 32, 10_000

# The class's own defaults are the strictest: the two seeds'.
_STRICTEST = Gateway(name="the strictest gateway", base_url="https://gateway.invalid")
_OURS = frozenset({"session_id", "face_choose", "external_task_id", "callback_url", "watermark_info"})
_TIMES = ("sound_start_time", "sound_end_time", "sound_insert_time")
_VOLUMES = ("sound_volume", "original_audio_volume")
_LOOKS = {
    Container.AAC: "bare AAC (ADTS)",
    Container.VIDEO: "a video",
    Container.THREE_GP: "3GP",
    Container.OTHER: "no sound that is known",
}

_is_visible_ascii = re.compile(r"[!-~]+").fullmatch
_is_id = re.compile(r"[A-Za-z0-9_-]+").fullmatch
# Only what is plainly right: whatever else may be a URL is left to the slow and thorough look.
_is_plain_url = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[1-9][0-9]{0,3})?(?:[/?#][!-~]*)?").fullmatch
_blank = re.compile(r"[\s\x00-\x20\x7f]").search
_has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match
_looks_like_path = re.compile(
    r"(?is)[~.]{0,2}[/\\].*|[a-z]:[/\\].*|.*\.(?:mp3|wav|wave|m4a|mp4|aac|mov|flac|ogg|opus|wma)"
).fullmatch

_milliseconds = validators.and_(validators.instance_of(int), validators.ge(0), validators.le(MAX_INTEGER))


@frozen(kw_only=True)
class Facts:
    """What identify-face told of the video; all in milliseconds, None: not known.

    Raises TypeError or ValueError for what are no milliseconds.
    """

    video_length: int | None = field(default=None, validator=validators.optional(_milliseconds))
    face_interval: tuple[int, int] | None = field(
        default=None,
        validator=validators.optional(
            validators.and_(
                validators.deep_iterable(_milliseconds, validators.instance_of(tuple)),
                validators.min_len(2),
                validators.max_len(2),
            )
        ),
    )
    """When the face can first and last be seen."""


def check(request: LipSyncRequest, gateway: Gateway | None = None, facts: Facts | None = None) -> list[Violation]:
    """Every rule of section 2 that the request breaks, errors and warnings; empty when all is well.

    `gateway` decides on fractions of volumes, bare AAC, lost zeros and the length of ids; None: the strictest of all.
    Never raises, whatever sits in the fields.
    """
    if not isinstance(request, LipSyncRequest):
        return [Violation("", "not_a_request", f"must be a LipSyncRequest, not {_type(request)}")]
    profile = _STRICTEST if gateway is None else gateway
    if request.checked and facts is None and len(request.external_task_id or "") <= profile.max_id_length:
        return []
    found: list[Violation] = []
    if not _is_plain_text(request.session_id):
        found += _text_faults("session_id", request.session_id)
    if len(request.face_choose) != 1:
        found.append(_one_face_only(len(request.face_choose)))
    for index, face in enumerate(request.face_choose):
        _check_face(found, f"face_choose[{index}]", face, profile, facts)
    _check_options(found, request, profile)
    return found


def mark_if_clean(request: LipSyncRequest) -> None:
    """Spares a request that breaks no rule of the strictest gateway every later look: it is frozen, and stays clean."""
    changeable = request.extra_body is not None or request.watermark_info is not None
    if not changeable and not check(request):
        object.__setattr__(request, "checked", True)


def errors_of(violations: Iterable[Violation]) -> list[Violation]:
    """Those that forbid sending."""
    return [violation for violation in violations if violation.severity == "error"]


def warnings_of(violations: Iterable[Violation]) -> list[Violation]:
    """Those that do not."""
    return [violation for violation in violations if violation.severity == "warning"]


def billed_units(request: LipSyncRequest) -> float:
    """Units at list price for a valid request: 0.5 per started 5 s of the cut sound (contract, section 7)."""
    steps = sum(-((face.sound_start_time - face.sound_end_time) // 5_000) for face in request.face_choose)
    return 0.5 * max(1, steps)


def clip_length(sound: object) -> int | None:
    """A clip's length in whole milliseconds, rounded up; None where it is not known."""
    duration = sound.info.duration if isinstance(sound, AudioFile | AudioBytes) else None
    # Less a nanosecond: 1.1 s are 1100.0000000000002 ms in binary.
    return None if duration is None else math.ceil(duration * 1_000 - 1e-6)


def url_faults(path: str, url: object) -> Iterator[Violation]:
    """What keeps `url` from being an absolute http or https URL, as violations at `path`."""
    if not isinstance(url, str):
        yield Violation(path, "not_a_string", f"must be a URL as a string, not {_type(url)}")
    elif not _is_unicode(url):
        yield _unencodable(path)
    elif _blank(url):
        yield Violation(path, "url_blank", "a URL has no blanks and no control characters: write %20 for a space")
    elif not url.lower().startswith(("http://", "https://")):
        yield Violation(path, "url_scheme", "the URL must begin with http:// or https://")
    elif not _has_host(url):
        yield Violation(
            path, "url_host", "the URL must name a host (and a port up to 65535, if any): https://example.com/..."
        )


# ---- one face --------------------------------------------------------------------------------------------------------


def _one_face_only(count: int) -> Violation:
    return Violation(
        "face_choose", "one_face_only", f"must hold exactly one face, not {count}: one person is taken at a time"
    )


def _check_face(found: list[Violation], path: str, face: object, profile: Gateway, facts: Facts | None) -> None:
    if not isinstance(face, FaceChoice):
        found.append(Violation(path, "not_a_face", f"must be a FaceChoice, not {_type(face)}"))
        return
    if not _is_plain_text(face.face_id):
        found += _text_faults(f"{path}.face_id", face.face_id)
    length = None
    if not _is_plain_voice(face.audio_id, face.sound_file):
        found += _voice_faults(path, face, profile)
        length = clip_length(face.sound_file)
    if not _is_timely(face, MAX_CUT if length is None else length):
        found += _timing_faults(path, face, length)
    if facts is not None:
        found += _fact_faults(path, face, facts)
    if not (_is_plain_volume(face.sound_volume) and _is_plain_volume(face.original_audio_volume)):
        for name in _VOLUMES:
            found += _volume_faults(f"{path}.{name}", getattr(face, name), profile)


def _is_plain_voice(audio_id: object, sound: object) -> bool:
    return _is_plain_link(sound) if audio_id is None else sound is None and _is_plain_text(audio_id)


def _voice_faults(path: str, face: FaceChoice, profile: Gateway) -> Iterator[Violation]:
    """One of `audio_id` and `sound_file`, and what is given must be usable."""
    spoken, sounding = is_given(face.audio_id), is_given(face.sound_file)
    if spoken and sounding:
        yield Violation(path, "two_sounds", "give audio_id or sound_file, not both")
    elif not spoken and not sounding:
        yield Violation(path, "no_sound", "give exactly one of audio_id and sound_file")
    if spoken and not _is_plain_text(face.audio_id):
        yield from _text_faults(f"{path}.audio_id", face.audio_id)
    if sounding:
        yield from _sound_faults(f"{path}.sound_file", face.sound_file, profile)


# ---- the sound -------------------------------------------------------------------------------------------------------


def _sound_faults(path: str, sound: object, profile: Gateway) -> Iterator[Violation]:
    if isinstance(sound, AudioFile | AudioBytes):
        yield from _clip_faults(path, sound.info, clip_length(sound), profile)
    elif isinstance(sound, str):
        yield from _sound_text_faults(path, sound)
    else:
        yield Violation(
            path,
            "not_a_sound",
            f"must be a URL, a Base64 text, audio_file(path) or audio_bytes(data), not {_type(sound)}",
        )


def _sound_text_faults(path: str, text: str) -> Iterator[Violation]:
    """A URL is looked at, a Base64 text is measured; what it holds is not probed (contract, section 2)."""
    if text[:40].lstrip()[:5].lower() == "data:":
        yield Violation(
            path, "data_prefix", "must be the Base64 alone: leave out all up to and with the comma (data:...;base64,)"
        )
    elif _has_scheme(text[:40].lstrip()):
        yield from url_faults(path, text)
    elif (size := base64_size(text)) is not None:
        yield from _size_faults(path, size)
        if 0 < size < TINY_SOUND_BYTES:
            yield _warning(
                path,
                "sound_tiny",
                f"{size} bytes of Base64 are no 2 s of sound: if it is a file's name, use audio_file(path)",
            )
    elif _looks_like_path(text[:4096]):
        yield Violation(
            path, "local_path", "looks like a path: use audio_file(path); a URL begins with http:// or https://"
        )
    else:
        yield Violation(
            path,
            "not_base64",
            "must be an http(s):// URL or Base64 (standard alphabet, padded, one line), or audio_file(path)",
        )


def _clip_faults(path: str, info: AudioInfo, length: int | None, profile: Gateway) -> Iterator[Violation]:
    yield from _size_faults(path, info.size)
    yield from codec_warnings(path, info)
    if info.container in _LOOKS and not (info.container is Container.AAC and profile.accepts_aac):
        told = f" ({info.note})" if info.note else ""
        taken = "mp3, wav, m4a or aac" if profile.accepts_aac else "mp3, wav or m4a"
        yield Violation(path, "sound_format", f"must be {taken}, and its content is {_LOOKS[info.container]}{told}")
    elif length is None:
        yield _warning(
            path,
            "sound_length_unknown",
            f"its length is not known ({info.note or 'it does not say'}): 2 to 60 s are taken",
        )
    else:
        yield from _length_faults(path, length)


def _size_faults(path: str, size: int) -> Iterator[Violation]:
    if size == 0:
        yield Violation(path, "sound_empty", "holds no bytes at all")
    elif size > MAX_SOUND_BYTES:
        yield Violation(path, "sound_too_large", f"must be at most 5 MiB (5,242,880 bytes), and is {size:,} bytes")
    elif size > LARGE_SOUND_BYTES:
        yield _warning(path, "sound_large", f"{size:,} bytes are over 5,000,000: a gateway may mean that by 5 MB")


def _length_faults(path: str, length: int) -> Iterator[Violation]:
    """Within 0.1 s of a limit, on either side, decoders may disagree."""
    told = f"must be 2 to 60 s long, and is {length / 1_000:g} s"
    if length < MIN_CUT - SLACK:
        yield Violation(path, "sound_too_short", told)
    elif length > MAX_CUT + SLACK:
        yield Violation(path, "sound_too_long", told)
    elif length <= MIN_CUT + SLACK or length >= MAX_CUT - SLACK:
        yield _warning(
            path, "sound_length_borderline", f"{told}: so near the limit that the gateway may measure otherwise"
        )


# ---- times -----------------------------------------------------------------------------------------------------------


def _is_timely(face: FaceChoice, latest: int) -> bool:
    start, end, insert = face.sound_start_time, face.sound_end_time, face.sound_insert_time
    return (
        type(start) is int
        and type(end) is int
        and type(insert) is int
        and start >= 0
        and MIN_CUT <= end - start <= MAX_CUT
        and end <= latest
        and 0 <= insert <= MAX_INTEGER
    )


def _timing_faults(path: str, face: FaceChoice, length: int | None) -> Iterator[Violation]:
    for name in _TIMES:
        yield from _time_faults(f"{path}.{name}", getattr(face, name))
    start, end = face.sound_start_time, face.sound_end_time
    if _is_time(start) and _is_time(end):
        yield from _window_faults(f"{path}.sound_end_time", start, end)
    if _is_time(end):
        yield from _end_faults(f"{path}.sound_end_time", end, length)


def _time_faults(path: str, time: object) -> Iterator[Violation]:
    if isinstance(time, float) and time.is_integer():
        yield Violation(
            path, "not_an_integer", "must be whole milliseconds as an int: gateways refuse 2000.0, write 2000"
        )
    elif isinstance(time, bool) or not isinstance(time, int):
        yield Violation(path, "not_an_integer", f"must be whole milliseconds as an int, not {_type(time)}")
    elif time < 0:
        yield Violation(path, "negative_time", "must be 0 ms or more")
    elif time > MAX_INTEGER:
        yield Violation(path, "time_too_large", "must be milliseconds that fit 64 bits")


def _window_faults(path: str, start: int, end: int) -> Iterator[Violation]:
    if end - start < MIN_CUT:
        yield Violation(
            path,
            "window_too_short",
            f"must be at least 2000 ms after sound_start_time: {start + MIN_CUT} or more, not {end}",
        )
    elif end - start > MAX_CUT:
        yield Violation(
            path,
            "window_too_long",
            f"must be at most 60000 ms after sound_start_time: {start + MAX_CUT} or less, not {end}",
        )


def _end_faults(path: str, end: int, length: int | None) -> Iterator[Violation]:
    if length is None:
        if end > MAX_CUT:
            yield _warning(
                path, "end_past_longest_sound", f"no sound is longer than 60000 ms, so this can hardly be {end}"
            )
    elif end > length + SLACK:
        yield Violation(path, "end_past_sound", f"must be at most the sound's length, {length} ms, not {end}")
    elif end > length:
        yield _warning(
            path,
            "end_past_sound_borderline",
            f"{end} is just past the sound's end at {length} ms: the gateway may refuse it",
        )


def _fact_faults(path: str, face: FaceChoice, facts: Facts) -> Iterator[Violation]:
    start, end, insert = face.sound_start_time, face.sound_end_time, face.sound_insert_time
    if not (_is_time(start) and _is_time(end) and _is_time(insert)):
        return  # told already
    path, stop = f"{path}.sound_insert_time", insert + end - start
    if facts.video_length is not None and stop > facts.video_length:
        yield Violation(
            path, "past_video_end", f"the sound would play until {stop} ms: the video ends at {facts.video_length} ms"
        )
    if facts.face_interval is not None:
        yield from _overlap_faults(path, (insert, stop), facts.face_interval)


def _overlap_faults(path: str, played: tuple[int, int], seen: tuple[int, int]) -> Iterator[Violation]:
    first, last = max(played[0], seen[0]), min(played[1], seen[1])
    told = f"{list(played)} must overlap the face's {list(seen)} by 2000 ms or more, not {max(0, last - first)}"
    if last - first < MIN_CUT:
        yield Violation(path, "face_overlap_too_short", told)
    elif min(played[1], seen[1] - INTERVAL_SLACK) - first < MIN_CUT:
        yield _warning(
            path, "face_overlap_borderline", f"{told}: the face may be gone a few ms before its reported end"
        )


# ---- volumes ---------------------------------------------------------------------------------------------------------


def _is_plain_volume(volume: object) -> bool:
    return type(volume) is int and 0 < volume <= 2


def _volume_faults(path: str, volume: object, profile: Gateway) -> Iterator[Violation]:
    if isinstance(volume, bool) or not isinstance(volume, int | float) or volume != volume:
        yield Violation(
            path,
            "not_a_number",
            f"must be a number from 0 to 2, not {'NaN' if isinstance(volume, float) else _type(volume)}",
        )
    elif not 0 <= volume <= 2:
        yield Violation(path, "volume_out_of_range", "must be from 0 to 2")
    elif volume != int(volume) and not profile.fractional_volumes:
        yield Violation(path, "volume_fractional", f"must be 0, 1 or 2: {profile.name} takes no fractions")
    elif volume == 0 and profile.drops_zero_volume:
        yield _warning(path, "volume_zero_dropped", f"{profile.name} may drop a 0 and play at the default volume")


# ---- the rest --------------------------------------------------------------------------------------------------------


def _check_options(found: list[Violation], request: LipSyncRequest, profile: Gateway) -> None:
    if not _is_plain_task_id(request.external_task_id, profile.max_id_length):
        found += _task_id_faults("external_task_id", request.external_task_id, profile.max_id_length)
    url = request.callback_url
    if url is not None and not _is_plain_link(url) and is_given(url):
        found += url_faults("callback_url", url)
    if request.watermark_info is not None:
        found += _watermark_faults("watermark_info", request.watermark_info)
    if request.extra_body is not None:
        found += _extra_faults("extra_body", request.extra_body, request.external_task_id)


def _is_plain_task_id(value: object, longest: int) -> bool:
    return value is None or (type(value) is str and len(value) <= longest and _is_id(value) is not None)


def _task_id_faults(path: str, task_id: object, longest: int) -> Iterator[Violation]:
    if not isinstance(task_id, str):
        yield Violation(path, "not_a_string", f"must be a string, not {_type(task_id)}")
        return
    if task_id and not _is_id(task_id):
        yield Violation(path, "id_characters", "may hold letters A-Z and a-z, digits, - and _ only")
    if len(task_id) > longest:
        yield Violation(path, "id_too_long", f"must be at most {longest} characters, and has {len(task_id)}")


def _watermark_faults(path: str, watermark: object) -> Iterator[Violation]:
    fields = _fields(watermark)
    if fields is None or len(fields) != 1 or not isinstance(fields.get("enabled"), bool):
        yield Violation(path, "watermark_shape", 'must be {"enabled": True} or {"enabled": False}')


def _extra_faults(path: str, extra: object, task_id: object) -> Iterator[Violation]:
    fields = _fields(extra)
    if fields is None:
        yield Violation(path, "not_a_mapping", f"must be a mapping of names to values, not {_type(extra)}")
        return
    for name in fields:
        if isinstance(name, str) and name in _OURS:
            yield from _override_faults(path, name, fields[name], task_id)
    yield from _json_faults(path, fields)


def _override_faults(path: str, name: str, value: object, task_id: object) -> Iterator[Violation]:
    if name == "external_task_id" and not (isinstance(value, str) and isinstance(task_id, str) and value == task_id):
        yield Violation(
            f"{path}.{name}", "extra_changes_id", "must not change the id: set the request's external_task_id"
        )
    else:
        yield _warning(f"{path}.{name}", "extra_overrides", f"replaces the request's own {name}, unchecked")


def _json_faults(path: str, fields: Mapping[Any, Any]) -> Iterator[Violation]:
    """What in `fields` has no place in JSON; bounded in depth and in number, for a value may hold itself."""
    waiting: list[tuple[str, object, int]] = [(path, fields, 1)]
    left = MAX_EXTRA_VALUES
    while waiting:
        place, value, depth = waiting.pop()
        if not isinstance(value, dict | list | tuple):
            yield from _scalar_faults(place, value)
            continue
        left -= len(value)
        if depth > MAX_EXTRA_DEPTH or left < 0:
            yield Violation(
                path,
                "extra_too_large",
                f"must hold at most {MAX_EXTRA_VALUES} values, at most {MAX_EXTRA_DEPTH} levels deep",
            )
            return
        yield from _key_faults(place, value)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        waiting += ((_join(place, key), item, depth + 1) for key, item in pairs)


def _join(path: str, key: object) -> str:
    if isinstance(key, str):
        return f"{path}.{key[:40]}" if _is_unicode(key) else f"{path}.?"
    return f"{path}[{key}]" if type(key) is int and 0 <= key < MAX_EXTRA_VALUES else f"{path}.?"


def _key_faults(path: str, value: object) -> Iterator[Violation]:
    for key in value if isinstance(value, dict) else ():
        if not isinstance(key, str):
            yield Violation(path, "key_not_a_string", f"names must be strings, not {_type(key)}")
        elif not _is_unicode(key):
            yield _unencodable(path)


def _scalar_faults(path: str, value: object) -> Iterator[Violation]:
    if isinstance(value, str):
        if not _is_unicode(value):
            yield _unencodable(path)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Violation(path, "not_json", "JSON has no NaN and no infinity")
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            yield Violation(path, "not_json", "must be an integer that fits 64 bits: send a larger one as a string")
    elif value is not None:
        yield Violation(path, "not_json", f"must be what JSON has (texts, numbers, lists, objects), not {_type(value)}")


# ---- small words -----------------------------------------------------------------------------------------------------


def is_given(value: object) -> bool:
    """An empty string means "not given", as in the seeds' example; nothing else is asked whether it is true."""
    return value is not None and not (isinstance(value, str) and not value)


def _is_plain_text(value: object) -> bool:
    return type(value) is str and _is_visible_ascii(value) is not None


def _is_plain_link(value: object) -> bool:
    return type(value) is str and _is_plain_url(value) is not None


def _is_time(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and -MAX_INTEGER <= value <= MAX_INTEGER


def _text_faults(path: str, value: object) -> Iterator[Violation]:
    """For the ids that the platform hands out: opaque, so that only what can't be one is refused."""
    if not isinstance(value, str):
        yield Violation(path, "not_a_string", f"must be a string, not {_type(value)}")
    elif not value.strip():
        yield Violation(path, "empty", "must not be empty")
    elif not _is_unicode(value):
        yield _unencodable(path)
    elif _blank(value):
        yield _warning(path, "stray_blank", "holds a blank or a control character, which no id of the platform does")


def _is_unicode(text: str) -> bool:
    """Half a surrogate pair can't be sent."""
    return text.isascii() or text == text.encode("utf-8", "replace").decode("utf-8")


def _unencodable(path: str) -> Violation:
    return Violation(path, "not_unicode", "must be Unicode text: it holds half a surrogate pair, which can't be sent")


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # brackets that don't match, a port that is none
        return False


def _fields(value: object) -> dict[Any, Any] | None:
    if not isinstance(value, Mapping):
        return None
    try:
        return dict(value)
    except Exception:  # noqa: BLE001 - a mapping of the user's own may do anything, and the pre-flight never raises
        return None


def _type(value: object) -> str:
    """The type alone: a repr may raise, be long, or tell a secret."""
    return "None" if value is None else type(value).__name__


def _warning(path: str, rule: str, message: str) -> Violation:
    return Violation(path, rule, message, "warning")
