"""What a list's check says of a line beyond the request's own rules, and in a list's words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import time

from attrs import evolve

from lipsync_async.errors import Violation
from lipsync_async.gateways import Gateway
from lipsync_async.models import LipSyncRequest
from lipsync_async.request.checks import but_pending, check
from lipsync_async.wire.identity import is_signed, names_source

from .links import link_warnings, sound_link_warnings, video_link_warnings

VERSION = 4
"""Goes up with the rules, so that a list which an earlier version found sound is looked through again."""
_WORDS = {
    "local_path": "looks like a path: put it under sound_path; a URL begins with http:// or https://",
    "not_base64": "must be an http(s):// URL or Base64 (standard alphabet, padded, one line); a path: sound_path",
    "watermark_shape": 'must be {"enabled": true} or {"enabled": false}',
    "no_sound": "give one of sound_path (a file), sound_file (a URL or Base64), audio_id, and text with voice_id",
    "two_sounds": "give audio_id, or sound_file, or sound_path: more than one stands here",
    "one_video_only": "give exactly one of video_url, video_id and video_path",
    "extra_changes_id": "must not change the id: set external_task_id itself",
}
"""What the library tells its callers in the builder's words, told to who writes a list."""
_COLUMNS = {
    "source": "video_url",
    "source.url": "video_url",
    "source.video_id": "video_id",
    "source.file": "video_path",
    "source.face": "face",
    "speech.text": "text",
    "speech.voice_id": "voice_id",
    "speech.language": "language",
    "speech.speed": "speed",
}
"""The columns that a request's sources come from."""
_FOLLOWS = {
    "sound_too_short": {"window_too_short", "end_past_sound", "end_past_sound_borderline"},
    "sound_too_long": {"window_too_long"},
    "sound_empty": {"sound_format", "sound_too_short"},
    "sound_format": {"sound_length_unknown"},
    "negative_time": {"window_too_short", "window_too_long", "end_past_sound"},
    "time_too_large": {"window_too_long", "end_past_sound"},
    "data_prefix": {"sound_tiny"},
}
"""Rules that are broken for no other reason than the first one: one cause is one fault."""
_MEANINGLESS = frozenset({"misnamed_field", "misplaced_field", "result_line", "window_end_unknown"})
"""Faults of a line's reading that leave nothing to hold against the rules across fields."""


def found_in(
    read: LipSyncRequest, told: Iterable[Violation], gateway: Gateway | None, *, uploads: bool = False
) -> tuple[Violation, ...]:
    """All that is to be said of a line, what its reading `told` first.

    `uploads`: what is too large for a create is put where the gateway can fetch it.
    """
    told = tuple(told)
    found = but_pending(check(read, gateway), read, uploads=uploads)
    links = tuple(_about_links(read, time))
    if not found and not told:
        return links
    if any(fault.rule in _MEANINGLESS for fault in told):
        return told
    blamed = {fault.path for fault in told if fault.severity == "error"}
    return (*in_words((*told, *(fault for fault in found if fault.path not in blamed))), *links)


def in_words(found: Iterable[Violation]) -> tuple[Violation, ...]:
    """What the request's own rules found, in the words of who writes a list, and one fault a cause."""
    found = tuple(found)
    following = {rule for cause in found for rule in _FOLLOWS.get(cause.rule, ())}
    return tuple(_in_words(fault) for fault in found if fault.rule not in following)


def _in_words(fault: Violation) -> Violation:
    if fault.rule == "sound_tiny":
        size = fault.message.partition(" bytes")[0]
        text = f"{size} bytes of Base64 are no 2 s of sound: if it is a file's name, put it under sound_path"
        return evolve(fault, message=text)
    if fault.rule == "sound_too_large":
        return evolve(fault, message=f"{fault.message}: a sound_path may be larger with --upload")
    words = _WORDS.get(fault.rule)
    if (column := _COLUMNS.get(fault.path)) is not None:
        fault = evolve(fault, path=column)
    return fault if words is None else evolve(fault, message=words)


def _about_links(request: LipSyncRequest, clock: Callable[[], float]) -> Iterator[Violation]:
    """Warnings of URLs; they are never refused, for only the gateway can know."""
    signed = names_source(request)  # then no signature is part of the id
    if request.source is not None and isinstance(request.source.url, str):
        yield from video_link_warnings("video_url", request.source.url, clock())
    for index, face in enumerate(request.face_choose):
        sound = face.sound_file
        if isinstance(sound, str) and sound[:8].lower().startswith(("http://", "https://")):
            path = f"face_choose[{index}].sound_file"
            yield from sound_link_warnings(path, sound, clock())
            if not request.external_task_id and not signed and is_signed(sound):
                signed = True
                yield _signed(path)
    link = request.callback_url
    if isinstance(link, str) and link:
        yield from link_warnings("callback_url", link)
        if not request.external_task_id and not signed and is_signed(link):
            yield _signed("callback_url")


def _signed(path: str) -> Violation:
    text = (
        "is signed, and the job's id is made of it: signed anew, it is another job, and paid for again; "
        "give external_task_id"
    )
    return Violation(path, "signed_url", text, "warning")
