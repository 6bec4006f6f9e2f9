"""What comes before a create: identify-face and text-to-speech, each for 0.05 units (contract, sections 1 and 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from aiohttp import web

from lipsync_async.sandbox.checks import Json, Refused, is_http, object_of, refuse, text
from lipsync_async.sandbox.entries import Preparation
from lipsync_async.sandbox.replies import BAD_GATEWAY, TOO_LARGE, Answer, answer, envelope
from lipsync_async.sandbox.sessions import Session, Speech, video_key
from lipsync_async.sandbox.sockets import body_of, close_after, reset, response
from lipsync_async.sandbox.state import State

UNITS = 0.05
_LONGEST_TEXT = 1000
_SPEEDS = (0.8, 2.0)
_NO_FACE = "no face detected in the video"
_WRONG_LENGTH = "Video duration is invalid"
_FIRST_TASK = 860_000_000_000_700_000


@attrs.frozen
class _Task:
    """An identify call that is answered as a task."""

    task_id: str
    made: float
    ready: float
    session: Session | None
    """None: it fails."""
    reason: str


class Preparing:
    """Identifies faces and makes speech."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._tasks: dict[str, _Task] = {}

    async def identify(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /v1/videos/identify-face."""
        return await self._handle(request, self._identified)

    async def speak(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST /v1/audio/tts."""
        return await self._handle(request, self._spoken)

    async def query(self, request: web.BaseRequest, task_id: str) -> web.StreamResponse:
        """GET /v1/videos/identify-face/{id}, at a gateway that answers identify calls as tasks."""
        state = self._state
        try:
            state.authorize(request)
            task = self._tasks.get(task_id)
            if task is None:
                raise Refused(1203, "task not exist")
            reply = answer(200, envelope(self._told(task), state.request_id()))
        except Refused as refusal:
            reply = state.refusal(refusal)
        return await state.late(reply)

    async def _handle(self, request: web.BaseRequest, make: Callable[[Json, str | None], Answer]) -> web.StreamResponse:
        """Take a call: its fault's dice, body, key, rate, checks, balance."""
        state = self._state
        fault = state.prepare_faults.draw()
        if fault == "reset_before":
            return reset(request)
        try:
            body = await body_of(request)
            if body is None:
                return close_after(response(TOO_LARGE))
            state.authorize(request)
            state.count()
            if fault == "503_before":
                raise Refused(5001)
            reply = make(object_of(body), fault)
        except Refused as refusal:
            return await state.late(state.refusal(refusal))
        except ConnectionError:
            return web.Response()  # the client is gone before its body was here
        await state.wait()
        if fault == "lose_reply":
            return reset(request)
        return response(BAD_GATEWAY if fault == "502_after" else reply)

    # --- faces ----------------------------------------------------------------------------------------------------

    def _identified(self, request: Json, fault: str | None) -> Answer:
        state, now = self._state, self._state.clock()
        source = _video(request)
        kind = state.sessions.kind(source)
        reason = {"refused": _NO_FACE, "invalid": _WRONG_LENGTH}.get(kind or "", "")
        if reason and not state.options.identify_tasks:
            if state.options.refusals == "new-api":
                return answer(400, {"code": "identify_face_failed", "message": reason, "data": None})
            raise Refused(1201, reason)
        session = None
        if not reason:
            self._pay()
            session = state.sessions.identify(source, now)
            self._enter("identify", video_key(source), session.session_id, fault)
        if not state.options.identify_tasks:
            assert session is not None
            return answer(200, envelope(self._faces(session), state.request_id()))
        ready = now + state.options.identify_seconds / state.options.time_scale
        task = _Task(str(_FIRST_TASK + len(self._tasks) + 1), now, ready, session, reason)
        self._tasks[task.task_id] = task
        return answer(200, envelope(self._told(task), state.request_id()))

    def _told(self, task: _Task) -> Json:
        """An identify task as it is told; the sandbox's own form, for no source shows one."""
        ended = self._state.clock() >= task.ready
        made, changed = (int((self._state.epoch + at) * 1000) for at in (task.made, task.ready if ended else task.made))
        status = ("failed" if task.session is None else "succeed") if ended else "submitted"
        told: Json = {"task_id": task.task_id, "task_status": status, "created_at": made, "updated_at": changed}
        if not ended:
            return told
        return told | {"task_status_msg": task.reason} | (self._faces(task.session) if task.session else {})

    def _faces(self, session: Session) -> Json:
        faces = [
            {
                "face_id": face.face_id,
                "face_image": self._state.file_link(f"{session.session_id}-{face.face_id}.jpg"),
                "start_time": face.start,
                "end_time": face.end,
            }
            for face in session.faces
        ]
        return {"session_id": session.session_id, "final_unit_deduction": f"{UNITS:g}", "face_data": faces}

    # --- speech ---------------------------------------------------------------------------------------------------

    def _spoken(self, request: Json, fault: str | None) -> Answer:
        words = text(request, "text", required=True)
        voice = text(request, "voice_id", required=True)
        text(request, "voice_language")
        if len(words) > _LONGEST_TEXT:
            refuse("text", f"must have at most {_LONGEST_TEXT} characters")
        speed = _speed(request)
        self._pay()
        speech = self._state.sessions.speak(words, speed)
        self._enter("speech", f"{voice}: {words}", speech.audio_id, fault)
        return answer(200, envelope(self._sound(speech), self._state.request_id()))

    def _sound(self, speech: Speech) -> Json:
        # The address leads nowhere: who has the id needs no file.
        url = f"{self._state.files_url}/speech/{speech.audio_id}.mp3"
        now = int(self._state.now_unix() * 1000)
        return {
            "task_id": f"{speech.audio_id}0",
            "task_status": "succeed",
            "task_status_msg": "",
            "task_result": {"audios": [{"id": speech.audio_id, "url": url, "duration": f"{speech.length / 1000:.3f}"}]},
            "final_unit_deduction": f"{UNITS:g}",
            "created_at": now,
            "updated_at": now,
        }

    # --- money ----------------------------------------------------------------------------------------------------

    def _pay(self) -> None:
        if self._state.purse.left(self._state.clock()) < UNITS:
            raise Refused(1102)
        self._state.purse.pay(UNITS)

    def _enter(self, kind: str, source: str, given: str, fault: str | None) -> None:
        self._state.ledger.prepared(Preparation(kind, source, given, UNITS, self._state.now_unix(), fault))


def _video(request: Mapping[str, Any]) -> str:
    url, name = text(dict(request), "video_url"), text(dict(request), "video_id")
    if bool(url) == bool(name):
        refuse("video_url or video_id", "is required: exactly one of the two")
    if url and not is_http(url):
        refuse("video_url", "is not a valid URL")
    return url or name


def _speed(request: Mapping[str, Any]) -> float:
    speed = request.get("voice_speed", 1.0)
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not _SPEEDS[0] <= speed <= _SPEEDS[1]:
        refuse("voice_speed", f"must be a number from {_SPEEDS[0]} to {_SPEEDS[1]}")
    return float(speed)
