"""The line between one client and the modelled gateway: phases, time-outs and breaks as on a real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from multidict import CIMultiDict
from yarl import URL

from lipsync_async.config import Timeouts
from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import Body, TaskReply, read_reply, read_task, read_task_list
from lipsync_async.wire.flight import Flight, Watchdog

from . import replies
from .gateway import Gateway
from .ledger import Post
from .replies import EPOCH, Answer
from .ways import IN_DOUBT, SLOW


class ModelWire:
    """The line between one client and the gateway: `account.Wire`."""

    def __init__(
        self, gateway: Gateway, timeouts: Timeouts, run: int = 0, step: Callable[[], None] | None = None
    ) -> None:
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._watchdog = Watchdog(timeouts, self._loop)
        self._run = run
        self._step = step or _nothing
        self.in_flight = self.peak_in_flight = 0
        self.sends: list[float] = []
        """When each create began."""

    @contextmanager
    def watching(self, flight: Flight) -> Iterator[None]:
        """As the real one does."""
        with self._watchdog.watching(flight):
            yield

    # -- creates ----------------------------------------------------------------------------------------------------

    async def post(self, url: URL, headers: CIMultiDict[str], body: Body, flight: Flight) -> Reply | Failure:
        """Creates."""
        gateway = self._gateway
        assert not gateway.frozen
        self._step()
        now = self._loop.time()
        gateway.advance(now)
        wire = json.loads(body.head + body.tail)
        face = wire["face_choose"][0]
        post = Post(
            external_task_id=wire["external_task_id"],
            run=self._run,
            at=now,
            authorization=headers["Authorization"],
            face=face["face_id"],
            content=face["audio_id"],
        )
        post.fault = gateway.draw(now)
        gateway.posts.append(post)
        gateway.posts_of[post.external_task_id].append(post)
        self.sends.append(now)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        flight.begin(now)
        try:
            result = await self._exchange(post, body, flight)
        except asyncio.CancelledError:
            if not flight.swallow_cancellation():
                raise
            result = self._broken_off(post, flight)
        finally:
            flight.begun = None
            self.in_flight -= 1
        return result

    async def _exchange(self, post: Post, body: Body, flight: Flight) -> Reply | Failure:
        gateway, ways = self._gateway, self._gateway.ways
        await self._pass(ways.latency / 2)
        if post.fault == "connect_refused":
            return self._failed(post, Kind.CONNECTION, flight)
        if post.fault == "connect_hang":
            await self._hang()
        flight.phase = Phase.SENDING
        await self._pass(ways.upload)
        if post.fault == "reset_sending":
            return self._failed(post, Kind.CONNECTION, flight)
        if post.fault == "stall_sending":
            await self._hang()
        flight.phase = Phase.SENT
        gateway.send(post, body)
        arrival = self._loop.time() + ways.latency / 2
        if post.fault not in {"lost_before", "hang_before"}:
            gateway.later(arrival, gateway.arrive(post))
        self._step()
        await self._until(arrival)
        if post.fault in {"hang_before", "hang_after", SLOW}:
            await self._hang()
        await self._pass(ways.latency / 2)
        if post.fault in {"lost_before", "lost_after"}:
            return self._failed(post, Kind.CONNECTION, flight)
        flight.phase = Phase.ANSWERED
        return await self._read(post)

    async def _read(self, post: Post) -> Reply:
        self._gateway.advance(self._loop.time())
        assert post.reply is not None
        status, headers, body = post.reply
        broken = post.fault == "truncated"
        if broken:
            body = body[: len(body) // 2]
        if not broken and post.fault not in IN_DOUBT:
            post.told = "accepted" if status == 200 and b"task_id" in body else "refused" if status < 500 else "doubt"
            if status == 200 and b"task_id" not in body:
                post.told = "doubt"
        return read_reply(status, headers, body, broken=broken, now=EPOCH + self._loop.time())

    def _failed(self, post: Post, kind: Kind, flight: Flight) -> Failure:
        post.told = "doubt" if post.sent else "unsent"
        return Failure(kind=kind, phase=flight.phase, message=f"{post.fault}")

    def _broken_off(self, post: Post, flight: Flight) -> Reply | Failure:
        post.told = "doubt" if post.sent else "unsent"
        if flight.phase is Phase.ANSWERED and post.reply is not None:
            return read_reply(post.reply[0], post.reply[1], b"", broken=True)
        return Failure(kind=flight.aborted or Kind.CANCELLED, phase=flight.phase, message="broken off")

    # -- queries ----------------------------------------------------------------------------------------------------

    async def get_task(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> TaskReply | Failure:
        """Asks for a task."""
        answer = await self._ask(url, headers, flight)
        return answer if isinstance(answer, Failure) else read_task(*answer)

    async def has_video(self, *_: object) -> bool:
        """The model's videos have URLs."""
        return False

    async def list_tasks(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> list[TaskReply] | None:
        """Asks for the task list."""
        answer = await self._ask(url, headers, flight)
        return None if isinstance(answer, Failure) else read_task_list(*answer)

    async def _ask(self, url: URL, headers: CIMultiDict[str], flight: Flight) -> Answer | Failure:
        gateway = self._gateway
        assert not gateway.frozen
        flight.begin(self._loop.time())
        flight.phase = Phase.SENDING  # the time to connect is not the time to answer
        try:
            await self._pass(gateway.ways.lookup_latency)
            now = self._loop.time()
            gateway.advance(now)
            if gateway.is_dark(now):
                if gateway.ways.darkness == "hang_before":
                    await self._hang()
                if gateway.ways.darkness == "502":
                    return replies.page(502)
                return Failure(kind=Kind.CONNECTION, phase=Phase.SENT)
            if (code := gateway.judge_key(headers["Authorization"], now)) is not None:
                return replies.envelope(401, code, "wrong key")
            flight.phase = Phase.ANSWERED
            return gateway.ask(url, headers, now)
        except asyncio.CancelledError:
            if not flight.swallow_cancellation():
                raise
            return Failure(kind=flight.aborted or Kind.CANCELLED, phase=flight.phase, message="broken off")
        finally:
            flight.begun = None

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _pass(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds * self._gateway.dice.uniform(*self._gateway.ways.jitter))

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._loop.time()) + 1e-6)

    async def _hang(self) -> None:
        await asyncio.get_running_loop().create_future()


def _nothing() -> None:
    return
