"""The create call: the fault's dice, body, key, rate, checks, duplicates, balance, running tasks, in this order.

The checks of a big clip run in a thread; what decides runs on the loop, and nothing can come in between.
"""

from __future__ import annotations

import asyncio
from functools import partial

from aiohttp import web

from lipsync_async.sandbox.callbacks import Callbacks
from lipsync_async.sandbox.checks import Create, Refused, Rules, read_create
from lipsync_async.sandbox.replies import BAD_GATEWAY, DIALECTS, INSTEAD, TOO_LARGE, Answer, answer
from lipsync_async.sandbox.sockets import body_of, close_after, reset, response, truncated
from lipsync_async.sandbox.state import State
from lipsync_async.sandbox.tasks import Task

_BIG = 64 * 1024  # from here on a body is checked in a thread


class Creates:
    """Takes creates."""

    def __init__(self, state: State, callbacks: Callbacks) -> None:
        self._state = state
        self._callbacks = callbacks
        options = state.options
        self._rules = Rules(accept_aac=options.accept_aac, fractional_volumes=options.fractional_volumes)
        self._say = DIALECTS[options.dialect][0]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a create, or do to it what its fault says."""
        state, ledger = self._state, self._state.ledger
        ledger.arrived()
        fault = state.faults.draw()
        if fault == "reset_before":
            ledger.fault(fault)
            return reset(request)
        try:
            body = await body_of(request)
            if body is None:
                ledger.refuse(TOO_LARGE.status)
                return close_after(response(TOO_LARGE))
            self._admit(request, fault)
            task = await self._accept(request, body, fault)
        except Refused as refusal:
            ledger.refuse(refusal.code)
            return await state.late(state.refusal(refusal, fault))
        except ConnectionError:
            return web.Response()  # the client is gone before its body was here
        return await self._reply(request, task, fault)

    def _admit(self, request: web.BaseRequest, fault: str | None) -> None:
        """Let a create in: its key, the rate, and the faults that come before any check."""
        self._state.authorize(request)
        self._state.count()
        if fault in ("502_before", "503_before"):
            self._state.ledger.fault(fault)
            raise Refused(BAD_GATEWAY.status if fault == "502_before" else 5001)

    async def _accept(self, request: web.BaseRequest, body: bytes, fault: str | None) -> Task:
        if request.content_type != "application/json" or "Content-Type" not in request.headers:
            raise Refused(1200, "Content-Type must be application/json")
        check = partial(read_create, body, self._rules)
        threads = self._state.threads
        if len(body) < _BIG or threads is None:
            create = check()
        else:
            create = await asyncio.get_running_loop().run_in_executor(threads, check)
        return self._begin(create, fault)

    def _begin(self, create: Create, fault: str | None) -> Task:
        """Take what a task costs and begin it; from here to the ledger nothing can come in between."""
        state = self._state
        now = state.clock()
        self._check_account(create, now)
        if create.external_task_id in state.tasks and state.options.duplicates == "overwrite":
            state.tasks.forget(create.external_task_id)
        task = state.tasks.create(create.external_task_id, create.units, create.window_ms, create.watermark, now)
        state.purse.pay(task.units)
        state.purse.refund(task.refunded, task.ends)
        state.running.start(task.ends)
        state.poller.add(task)
        state.ledger.accept(
            task,
            accepted_at=state.epoch + now,
            body_sha256=create.body_sha256,
            audio_sha256=create.audio_sha256,
            fault=fault,
        )
        self._callbacks.follow(task, create.callback_url)
        return task

    def _check_account(self, create: Create, now: float) -> None:
        """Refuse what the account cannot have: a second task under one id, unknown ids, more units, more tasks."""
        state = self._state
        foreign = state.foreign()
        if create.external_task_id in state.tasks and state.options.duplicates == "refuse":
            raise Refused(1201, f"external_task_id is duplicated: {create.external_task_id} already exists")
        if foreign:
            raise Refused(1201, "session not found")
        if state.options.check_ids:
            self._check_ids(create, now)
        if state.purse.left(now) < create.units:
            raise Refused(1102)
        if state.max_running_tasks is not None and state.running.count(now) >= state.max_running_tasks:
            raise Refused(1303, retry_after=state.running.seconds_until_free(now))

    def _check_ids(self, create: Create, now: float) -> None:
        """Refuse a session, a face or a sound that this gateway did not give, or that is not there at that time."""
        sessions = self._state.sessions
        place = (create.insert, create.insert + create.window_ms)
        fault = sessions.fault_of(create.session_id, create.face_id, place, now)
        if fault is None and create.audio_id:
            fault = sessions.fault_of_sound(create.audio_id, create.sound_end)
        if fault is not None:
            raise Refused(1201, fault)

    async def _reply(self, request: web.BaseRequest, task: Task, fault: str | None) -> web.StreamResponse:
        """Answer a create whose task exists, or do to the reply what the fault says."""
        state = self._state
        if fault is not None:
            state.ledger.fault(fault)
        usual = answer(200, self._say(state.snapshot(task), state.request_id()))
        match fault:
            case "lose_reply":
                await state.wait()
                return reset(request)
            case "hang":
                return await state.hang(request)
            case "truncate":
                await state.wait()
                return truncated(request, usual)
            case "double_json":
                second = INSTEAD["500_insert_task_failed"].body
                return await state.late(Answer(200, usual.body + second))
            case "slow":
                await asyncio.sleep(state.options.slow_seconds)
                return await state.late(usual)
            case None:
                return await state.late(usual)
            case _:
                return await state.late(INSTEAD[fault])
