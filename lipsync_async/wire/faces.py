"""What identify-face answers, in any dialect, at once or as a task (contract, sections 1 and 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import frozen

from lipsync_async.request.faces import Face
from lipsync_async.terms import Reply, TaskStatus

from . import texts
from .layers import Object, layers_of, parse
from .replies import read_reply
from .tasks import reason_in, units_in

_INSIDE = ("task_result", "result", "output", "metadata")
"""Where a task keeps what came of it."""
_SESSIONS = ("session_id", "sessionId")
_LISTS = ("face_data", "faceData", "faces", "face_list")
_IDS = ("face_id", "faceId", "id")
_BEGINS = ("start_time", "startTime", "start")
_ENDS = ("end_time", "endTime", "end")
_PICTURES = ("face_image", "faceImage", "image", "image_url")
_LONGEST_TIME = 10**9
"""Milliseconds; what is larger is no place in a video."""
_IS_PICTURE = re.compile(r"https?://[^\s/]|data:image/", re.IGNORECASE)

_NO_FACE = re.compile(
    r"\bno (?:\w+ ){0,2}faces?\b|\bfaces? (?:was |were |is |are )?not (?:be )?(?:found|detected|recogni[sz]ed)"
    r"|(?:\bnot|n['’]t|unable to|failed to|can ?not) (?:be )?(?:detect|find|recogni[sz]e|identify)\w* "
    r"(?:\w+ ){0,2}faces?\b|\bface (?:detection|recognition|identification) failed"
    r"|(?:未|没有?|无法)(?:能)?(?:检测|识别|发现|找)(?:到|出)?(?:有效|清晰|任何|可用)?(?:的)?人?脸"
    r"|(?:没有|无)(?:有效|清晰|可用)?(?:的)?人脸",
    re.IGNORECASE,
)
"""How it is said that a video shows no face."""


_SESSION_GONE = re.compile(
    r"\bsession(?:[\s_-]*id)?\b[^.;,]{0,60}?(?:not (?:be )?found|(?: not|n['’]t) exist|expired|invalid"
    r"|not valid|no longer)|\b(?:invalid|expired|unknown|no such) session\b"
    r"|会话[^。，；]{0,30}?(?:不存在|已?过期|已?失效|无效|未找到|找不到)|(?:找不到|无效的?|未找到)会话",
    re.IGNORECASE,
)


def session_is_gone(message: str) -> bool:
    """Whether a refusal of a create says that its session has died: the job is good for a new one.

    A session dies after a day, and at a gateway that spreads calls over several accounts at any time.
    """
    return _SESSION_GONE.search(message) is not None


@frozen(kw_only=True)
class FacesReply:
    """What was answered about the faces of a video."""

    reply: Reply
    session_id: str | None = None
    faces: tuple[Face, ...] | None = None
    """Those of the session; None: none were told, which is not the same as that there are none."""
    units: str | None = None
    reason: str | None = None
    """Why its task failed."""

    @property
    def made(self) -> bool:
        """The session is open."""
        return self.session_id is not None and bool(self.faces)

    @property
    def nothing(self) -> bool:
        """The video shows no face, in a list or in words."""
        if self.made or self.reply.broken or self.reply.conflicting:
            return False
        if self.faces is not None:
            return not self.faces
        refused = 400 <= self.reply.status <= 499 or (self.reply.status <= 299 and not self.reply.success)
        told = self.reason or (self.reply.message if refused and self.reply.parsed else "")
        return _NO_FACE.search(told) is not None


def read_faces(
    status: int, headers: Mapping[str, str], body: bytes, *, broken: bool = False, now: float | None = None
) -> FacesReply:
    """What identify-face answered; the parameters are those of `read_reply`. Never raises, whatever the bytes."""
    reply = read_reply(status, headers, body, broken=broken, now=now)
    top = parse(body).top
    if top is None:
        return FacesReply(reply=reply)
    layers = layers_of(top)
    reason = reason_in(layers) if reply.task_status is TaskStatus.FAILED else None
    units = units_in(layers)
    if broken or reply.conflicting or not (reply.success and 200 <= status <= 299) or reason:
        return FacesReply(reply=reply, reason=reason, units=units)
    places = list(results_in(layers))
    session_id = next(filter(None, (texts.word(first_of(place, _SESSIONS)) for place in places)), None)
    return FacesReply(reply=reply, session_id=session_id, faces=_faces(places, session_id), units=units)


def results_in(layers: list[Object]) -> Iterator[Object]:
    """The layers of a reply, each after what it holds as a task's result."""
    for layer in layers:
        yield from (inner for name in _INSIDE if isinstance(inner := layer.get(name), dict))
        yield layer


def first_of(place: Object, names: tuple[str, ...]) -> object:
    """The first of these fields that is there."""
    return next((place[name] for name in names if place.get(name) is not None), None)


def _faces(places: list[Object], session_id: str | None) -> tuple[Face, ...] | None:
    """A list that is null is an empty one to a gateway written in Go; without a session it says nothing."""
    for place in places:
        for name in _LISTS:
            if name in place:
                return _faces_of(place[name], session_id)
    return None


def _faces_of(told: object, session_id: str | None) -> tuple[Face, ...] | None:
    if told is None:
        return () if session_id else None
    items = [told] if isinstance(told, dict) else told
    if not isinstance(items, list):
        return None
    found = tuple(face for face in map(_face, items) if face is not None)
    return found if found or not items else None  # a list of what cannot be read is none


def _face(item: object) -> Face | None:
    if not isinstance(item, dict):
        return None
    face_id = texts.word(first_of(item, _IDS))
    if face_id is None:
        return None
    begin, end = _milliseconds(first_of(item, _BEGINS)), _milliseconds(first_of(item, _ENDS))
    interval = (begin, end) if begin is not None and end is not None and begin < end else None
    return Face(face_id=face_id, interval=interval, picture=_picture(first_of(item, _PICTURES)))


def _milliseconds(value: object) -> int | None:
    if isinstance(value, int | float | str) and not isinstance(value, bool) and str(value).strip() in {"0", "0.0"}:
        return 0
    figure = texts.number(value)
    return int(figure) if figure is not None and figure <= _LONGEST_TIME else None


def _picture(value: object) -> str | None:
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return None
    return value if _IS_PICTURE.match(value) else None
