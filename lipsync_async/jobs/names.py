"""The names of a list's fields and columns: what they mean, what they nearly mean, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

from attrs import fields

from lipsync_async.models import FaceChoice, LipSyncRequest

_MADE_OF = frozenset({"source", "speech"})
"""What a request is made of is no field of the call: a list's own column may be called so."""
REQUEST_FIELDS = frozenset(attribute.name for attribute in fields(LipSyncRequest) if attribute.init) - _MADE_OF
FACE_FIELDS = frozenset(attribute.name for attribute in fields(FaceChoice)) | {"sound_path"}
FIELDS = REQUEST_FIELDS | FACE_FIELDS
VIDEO_FIELDS = frozenset({"video_url", "video_id", "video_path"})
"""Name a video in place of a session."""
SPEECH_FIELDS = frozenset({"text", "voice_id", "language", "speed"})
"""Name a text in place of a sound."""
SOURCE_FIELDS = VIDEO_FIELDS | SPEECH_FIELDS | {"face"}
"""They count where neither a session nor a sound stands beside them: see `origins`."""
NOTE = "note"
"""For people: it is not sent, and not told of."""
SOUNDS = frozenset({"audio_id", "sound_file", "sound_path"})
NUMBERS = frozenset(
    {"sound_start_time", "sound_end_time", "sound_insert_time", "sound_volume", "original_audio_volume", "speed"}
)
"""Fields that hold a number."""
OBJECTS = frozenset({"watermark_info", "extra_body", "face_choose"})
"""Fields that hold JSON."""
EXTRA = "extra_body."
"""Begins the name of a field that is for the gateway, and sent as it is."""
SHOWN = 64
"""Characters of a name, or of a text out of a list, that any message shows."""
_ALIKE = 0.86
_ALIASES = {
    "session_id": "session sid",
    "face_id": "face",
    "face_choose": "faces facechoice",
    "audio_id": "audio ttsid ttsaudioid",
    "sound_file": "url audiourl soundurl soundfileurl audiofileurl",
    "sound_path": "file path filename audiofile audiopath sound soundfilename soundfilepath clip",
    "sound_start_time": "start starttime startms soundstart soundstartms audiostart audiostarttime begin",
    "sound_end_time": "end endtime endms soundend soundendms audioend audioendtime",
    "sound_insert_time": "insert inserttime insertms insertat soundinsert soundinsertms audioinsert offset",
    "sound_volume": "volume audiovolume soundvol vol",
    "original_audio_volume": "originalvolume videovolume origvolume originalaudio originalvol",
    "external_task_id": "externalid externaltask externaltaskno",
    "callback_url": "callback webhook webhookurl notifyurl",
    "watermark_info": "watermark",
    "extra_body": "extra extras extrafields",
}
_ALIAS_OF = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}


def shown(text: object, most: int = SHOWN) -> str:
    """A text out of a list as a message may show it: on one line, cut, without anything that steers a terminal."""
    told = str(text)
    cut = told[:most] + ("..." if len(told) > most else "")
    return cut if cut.isprintable() else "".join(map(_escaped, cut))


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def quoted(text: object) -> str:
    """The same in quotes."""
    return f"'{shown(text)}'"


def misnamed(name: str, given: Iterable[str]) -> str:
    """The field that a name which is none is meant for; "" where it is nobody's business.

    A field's name in another spelling (`Session ID`) always is.
    A slip of the finger, and another word for a field, are only where that field is not `given`.
    """
    meant = _SPELT.get(_folded(name), "")
    if meant in FIELDS:
        return meant
    if meant:
        return "" if _PLACES[meant] & set(given) else meant
    meant = _nearly(name) or _ALIAS_OF.get(_folded(name), "")
    return "" if _instead_of(meant) & set(given) else meant


def _instead_of(field: str) -> frozenset[str] | set[str]:
    """The fields beside which nobody misses this one."""
    if field in SOUNDS:
        return SOUNDS | {"text"}
    return _BESIDE.get(field, frozenset()) | {field}


_BESIDE = {"session_id": VIDEO_FIELDS, "face_id": frozenset({"face"})}
_PLACES = {
    **dict.fromkeys(VIDEO_FIELDS, VIDEO_FIELDS | {"session_id"}),
    **dict.fromkeys(SPEECH_FIELDS, SOUNDS | {"face_choose"}),
    "face": frozenset({"face_id", "face_choose", "session_id"}),
}
"""What a line of the older sort has where a newer one has this field: there it is a note, however it is spelt."""


def known_among(names: Iterable[str]) -> frozenset[str]:
    """The fields of a table with these columns: `face` is one where there is a video."""
    return FIELDS | SOURCE_FIELDS if VIDEO_FIELDS & set(names) else FIELDS | SOURCE_FIELDS - {"face"}


@lru_cache(maxsize=1024)
def _nearly(name: str) -> str:
    """The field's name that this one is but for a slip of the finger."""
    folded = _folded(name)
    if not 5 < len(folded) < 40:
        return ""
    match = SequenceMatcher(None, "", folded)
    best, found = 0.0, ""
    for spelt, field in _SPELT.items():
        match.set_seq1(spelt)
        if field in FIELDS and match.real_quick_ratio() >= _ALIKE and (ratio := match.ratio()) > best:
            best, found = ratio, field
    return found if best >= _ALIKE else ""


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name[:80].lower())


_SPELT = {_folded(name): name for name in sorted(FIELDS | SOURCE_FIELDS)}
"""Fields by their letters alone."""
