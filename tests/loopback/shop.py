"""A gateway that keeps what it made, and clients of it: what the tests of money share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from lipsync_async import Gateway, Limits, LipSyncClient

from .acts import KEY, SMALL, request
from .hurried import hurry
from .raw import NOT_FOUND, Connection, RawServer, Request, created, task_of

SETTLE, HOLD = 6.0, 30.0


class Shop:
    """A gateway that keeps what it made, takes duplicates, and shows the tasks of a key to that key alone."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, str], str] = {}
        """Tasks by key and external id."""
        self.paid: Counter[str] = Counter()
        self.lose: set[str] = set()
        """Jobs whose next reply is lost."""
        self.forget: set[str] = set()
        """Jobs whose next create is lost before it is read."""
        self.asked: list[Request] = []
        self.answer: Callable[[str], bytes | None] = lambda _: None
        """What a look-up is answered with instead of the truth."""
        self.gate: asyncio.Event | None = None
        """Creates are made, and answered when it is set."""
        self.enough = asyncio.Event()
        """Set when three tasks were made."""

    def make(self, sent: Request) -> bytes:
        """Makes the task."""
        name = sent.external_task_id
        self.paid[name] += 1
        if self.paid.total() >= 3:
            self.enough.set()
        task = task_of(name) if self.paid[name] == 1 else f"{task_of(name)}{self.paid[name]}"
        self.made.setdefault((sent.headers["authorization"], name), task)
        return created(name, task)

    def find(self, sent: Request) -> bytes:
        """Answers a query by external id."""
        self.asked.append(sent)
        name = sent.path.split("?")[0].rsplit("/", 1)[1]
        task = self.made.get((sent.headers["authorization"], name))
        return self.answer(name) or (created(name, task) if task else NOT_FOUND)

    async def __call__(self, connection: Connection) -> None:
        """Serves one connection."""
        while sent := await connection.request():
            if sent.method == "GET":
                await connection.send(self.find(sent))
            elif sent.external_task_id in self.forget:
                self.forget.discard(sent.external_task_id)
                return connection.reset()
            else:
                told = self.make(sent)
                if sent.external_task_id in self.lose:
                    self.lose.discard(sent.external_task_id)
                    return connection.reset()
                if self.gate is not None:
                    await self.gate.wait()
                await connection.send(told)
        return None

    @property
    def twice(self) -> list[str]:
        """What was paid more than once."""
        return [name for name, count in self.paid.items() if count > 1]


def submitter(server: RawServer, **options: Any) -> LipSyncClient:
    """A client whose gateway settles within seconds."""
    profile: dict[str, Any] = {"settle_time": SETTLE, "hold_time": HOLD} | options.pop("profile", {})
    usual: dict[str, Any] = {"api_key": KEY, "timeouts": SMALL, "limits": Limits(initial_per_second=1000.0)}
    return LipSyncClient(Gateway(name="shop", base_url=server.url, **profile), **usual | options)


def at(shop: Shop, scene: Callable[[RawServer, LipSyncClient], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Plays a scene with one client of a shop."""

    async def main() -> None:
        async with RawServer(always=shop) as server, submitter(server, **options) as client:
            await scene(server, client)

    hurry(main())


async def earn_trust(client: LipSyncClient, shop: Shop) -> None:
    """One accepted job, and one that is lost and found: from then on a not-found may count."""
    await client.submit(request("witness"))
    shop.lose.add("found")
    assert (await client.submit(request("found"))).recovered
    await asyncio.sleep(SETTLE)
