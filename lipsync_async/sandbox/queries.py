"""Queries and lists: free at most gateways, counted as creates are at some; what they tell may be old."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from lipsync_async.sandbox.checks import Refused, bounded
from lipsync_async.sandbox.replies import DIALECTS, ENDED, Answer, answer, task_list
from lipsync_async.sandbox.state import State
from lipsync_async.sandbox.tasks import Snapshot, Task

_PAGES, _PAGE_SIZES = (1, 1000), (1, 500)


class Queries:
    """Answers queries of one task, and lists."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._say = DIALECTS[state.options.dialect][1]

    async def handle(self, request: web.BaseRequest, any_id: str) -> web.StreamResponse:
        """Answer a query; without an id, a list."""
        state = self._state
        state.ledger.asked()
        try:
            state.authorize(request)
            if state.options.count_queries:
                state.count()
            if request.method != "GET":
                raise Refused(1202)
            reply = self._one(any_id) if any_id else self._page(request.query)
        except Refused as refusal:
            state.ledger.refuse(refusal.code, query=True)
            reply = state.refusal(refusal)
        return await state.late(reply)

    def _one(self, any_id: str) -> Answer:
        task = self._state.tasks.find(any_id, self._state.clock())
        if task is None:
            raise Refused(1203, "task not exist")
        return answer(200, self._say(self._told(task), self._state.request_id()))

    def _page(self, query: Mapping[str, str]) -> Answer:
        state = self._state
        number = bounded(query, "pageNum", 1, _PAGES)
        size = bounded(query, "pageSize", 30, _PAGE_SIZES)
        if state.options.lookups == "none":
            raise Refused(1203)
        tasks = state.tasks.page(number, size, state.clock())
        return answer(200, task_list([self._told(task) for task in tasks], state.request_id()))

    def _told(self, task: Task) -> Snapshot:
        """What is told of a task, once the ledger knows of it."""
        told = self._state.snapshot(task)
        self._state.ledger.told(task, self._state.now_unix(), ended=told.status in ENDED)
        return told
