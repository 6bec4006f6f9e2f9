"""Where finished videos are fetched: the file host, the host it may redirect to, and the gateway's content route."""

from __future__ import annotations

from aiohttp import web

from lipsync_async.sandbox.checks import Refused
from lipsync_async.sandbox.entries import FileRequest
from lipsync_async.sandbox.file_faults import EXPIRED, MISSING, NO_HEAD, TWO_KEYS, WELL, Behaviour
from lipsync_async.sandbox.links import FOLDER, PICTURE, VIDEO
from lipsync_async.sandbox.replies import Answer, answer, route_missing
from lipsync_async.sandbox.sockets import response
from lipsync_async.sandbox.state import State
from lipsync_async.sandbox.streams import send
from lipsync_async.sandbox.video import picture


class Files:
    """Serves the videos of tasks that succeeded."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def host(self, request: web.BaseRequest) -> web.StreamResponse:
        """The file host: a signed URL that has not run out, by GET, and no other authorization beside it."""
        name = request.path.removeprefix(FOLDER)
        task_id = _task_of(request.path)
        if task_id is None and not name.endswith(PICTURE):
            return response(MISSING)
        seen = self._enter(request, task_id or name, "files")
        await self._state.wait()
        url = self._state.links.read(name, request.query, self._state.now_unix())
        if request.method != "GET":
            return _instead(NO_HEAD, seen)
        if seen.authorization:
            return _instead(TWO_KEYS, seen)
        if url is None:
            return _instead(EXPIRED, seen)
        if task_id is None:
            seen.sent, seen.whole = len(picture()), True
            return _instead(Answer(200, picture(), "image/jpeg"), seen)
        return await self._serve(request, task_id, seen, url)

    async def elsewhere(self, request: web.BaseRequest) -> web.StreamResponse:
        """Another origin, which the file host redirects to; it asks for nothing, and serves well."""
        task_id = _task_of(request.path)
        if task_id is None:
            return response(MISSING)
        seen = self._enter(request, task_id, "elsewhere")
        await self._state.wait()
        task = self._state.tasks.get(task_id)
        if task is None or not self._state.finished(task):
            return _instead(MISSING, seen)
        return await self._send(request, task_id, seen, WELL)

    async def content(self, request: web.BaseRequest, task_id: str) -> web.StreamResponse:
        """The gateway's own route, behind the key, as new-api has it; it proxies the file, with all its faults."""
        state = self._state
        seen = self._enter(request, task_id, "content")
        await state.wait()
        try:
            state.authorize(request)
            if state.options.count_queries:
                state.count()
        except Refused as refusal:
            state.ledger.refuse(refusal.code, query=True)
            return _instead(state.refusal(refusal), seen)
        if request.method != "GET":
            return _instead(route_missing(request.method, request.path), seen)
        task = state.tasks.get(task_id)
        if task is None:
            return _instead(_wrong(404, "Task not found"), seen)
        if not state.finished(task):
            return _instead(_wrong(400, "Task is not completed yet"), seen)
        return await self._serve(request, task_id, seen, state.links.made)

    async def _serve(self, request: web.BaseRequest, task_id: str, seen: FileRequest, url: int) -> web.StreamResponse:
        state = self._state
        seen.fault, behaviour = state.file_faults.meet(task_id, url, state.links.made)
        if behaviour.instead is not None:
            return _instead(behaviour.instead, seen)
        if behaviour.elsewhere:
            there = f"{state.elsewhere_url}{FOLDER}{task_id}{VIDEO}"
            return _instead(Answer(302, b"", "text/plain", {"Location": there}), seen)
        return await self._send(request, task_id, seen, behaviour)

    async def _send(
        self, request: web.BaseRequest, task_id: str, seen: FileRequest, behaviour: Behaviour
    ) -> web.StreamResponse:
        try:
            return await send(self._state, request, self._state.video(task_id, behaviour.edition), behaviour, seen)
        except ConnectionError:
            return web.Response()  # goes nowhere: the client has left

    def _enter(self, request: web.BaseRequest, task_id: str, place: str) -> FileRequest:
        headers = request.headers
        sent = [str(request.rel_url), *headers.values()]
        return self._state.ledger.file(
            FileRequest(
                task_id=task_id,
                place=place,
                method=request.method,
                range=headers.get("Range", ""),
                authorization="Authorization" in headers,
                key=any(key in text for key in self._state.keys.known for text in sent),
                referer="Referer" in headers,
                cookies="Cookie" in headers,
                identity=headers.get("Accept-Encoding", "").strip().lower() == "identity",
            )
        )


def _task_of(path: str) -> str | None:
    if not path.startswith(FOLDER) or not path.endswith(VIDEO):
        return None
    return path[len(FOLDER) : -len(VIDEO)]


def _instead(reply: Answer, seen: FileRequest) -> web.Response:
    seen.status = reply.status
    return response(reply)


def _wrong(status: int, said: str) -> Answer:
    return answer(status, {"error": {"message": said, "type": "invalid_request_error"}})
