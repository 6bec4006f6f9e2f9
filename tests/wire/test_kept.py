"""Connections between two requests: who gets which, which are closed, and when the pool has them back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import Factory, define

from lipsync_async.wire.kept import KEEP_ALIVE, KEPT, Kept
from tests.loopback.acts import client, request
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer, gateway
from tests.simulation.virtual import run

HERE, THERE = ("http", "here"), ("http", "there")


@define(eq=False)
class Wire:
    """Asyncio's transport, as far as it is asked."""

    waiting: int = 0

    def get_write_buffer_size(self) -> int:
        """Bytes that have not left."""
        return self.waiting


@define(eq=False)
class Protocol:
    """Aiohttp's, as far as it is asked."""

    transport: Wire | None = Factory(Wire)
    should_close: bool = False


@define(eq=False)
class Connection:
    """Aiohttp's, as far as it is asked; notes what is done with it."""

    protocol: Protocol = Factory(Protocol)
    closed: bool = False
    done: list[str] = Factory(list)

    def release(self) -> None:
        """Back to the pool."""
        self.done.append("release")

    def close(self) -> None:
        """Away."""
        self.done.append("close")


def left(kept: Kept, connection: Connection, key: object = HERE) -> Connection:
    """Leaves it there."""
    kept.leave(key, connection, connection.protocol)  # type: ignore[arg-type] # stands for aiohttp's
    return connection


def taken(kept: Kept, key: object = HERE) -> Any:
    """Takes one."""
    return kept.take(key, kept._loop.time())


def inside(act: Any) -> None:
    """Runs an act with an empty `Kept`, in virtual time."""

    async def main() -> None:
        await act(Kept(asyncio.get_running_loop()))

    run(main())


def test_the_one_that_was_used_last_is_taken_first() -> None:
    """So that those that are not needed stay, and are given back."""

    async def act(kept: Kept) -> None:
        first, second = left(kept, Connection()), left(kept, Connection())
        assert [taken(kept), taken(kept, ("http", "here")), taken(kept)] == [second, first, None]

    inside(act)


@pytest.mark.parametrize(
    "protocol",
    [Protocol(transport=None), Protocol(should_close=True), Protocol(transport=Wire(waiting=1))],
    ids=["gone", "its reply was not read, or says so", "a part of the request waits"],
)
def test_what_cannot_be_used_again_is_closed(protocol: Protocol) -> None:
    """The next request must not follow the rest of the last, nor be answered with it."""

    async def act(kept: Kept) -> None:
        assert left(kept, Connection(protocol)).done == ["close"]
        assert taken(kept) is None

    inside(act)


def test_one_that_was_closed_meanwhile_is_not_taken() -> None:
    """The next one is."""

    async def act(kept: Kept) -> None:
        good, gone = left(kept, Connection()), left(kept, Connection())
        gone.closed = True
        assert taken(kept) is good
        assert gone.done == ["close"]

    inside(act)


def test_another_origin_has_no_part_in_it() -> None:
    """Its connections go back to the pool at once, until none of the first origin is left."""

    async def act(kept: Kept) -> None:
        here, there = left(kept, Connection()), left(kept, Connection(), THERE)
        assert there.done == ["release"]
        assert taken(kept, THERE) is None
        assert taken(kept) is here
        assert left(kept, Connection(), THERE).done == []
        assert taken(kept) is None
        assert left(kept, here).done == ["release"]

    inside(act)


def test_what_is_not_needed_for_a_moment_is_given_back() -> None:
    """Of three two are used all the time: one goes at the second look; when all rest, all go, and no timer is left."""

    async def act(kept: Kept) -> None:
        loop = asyncio.get_running_loop()
        connections = [left(kept, Connection()) for _ in range(3)]
        ends = loop.time() + 2.5 * KEPT
        while loop.time() < ends:
            used = [taken(kept), taken(kept)]
            await asyncio.sleep(KEPT / 7)
            for connection in used:
                left(kept, connection)
            await asyncio.sleep(KEPT / 7)
        assert [connection.done for connection in connections] == [["release"], [], []]
        await asyncio.sleep(2 * KEPT)
        assert [connection.done for connection in connections] == [["release"]] * 3
        assert (len(kept), kept._timer) == (0, None)

    inside(act)


def test_at_the_end_all_are_given_back_at_once() -> None:
    """And nothing rings later."""

    async def act(kept: Kept) -> None:
        connection = left(kept, Connection())
        kept.close()
        assert (connection.done, len(kept), kept._timer) == (["release"], 0, None)

    inside(act)


@define(eq=False)
class Clock:
    """A loop whose timers ring when they are told to, as where a call of the caller's holds it up."""

    now: float = 1000.0
    rings: list[Any] = Factory(list)

    def time(self) -> float:
        """Seconds."""
        return self.now

    def call_at(self, when: float, ring: Any) -> Any:
        """A timer."""
        self.rings.append((when, ring))
        return object()


@pytest.mark.parametrize(("held_up", "done"), [(KEEP_ALIVE - KEPT, []), (KEEP_ALIVE - KEPT + 0.01, ["close"])])
def test_where_the_loop_stood_still_none_is_taken_that_the_pool_would_not_use(held_up: float, done: list[str]) -> None:
    """Its peer may have closed it: nobody has looked, and a create on it would end in doubt."""
    clock = Clock()
    kept = Kept(clock)  # type: ignore[arg-type] # stands for asyncio's
    connection = left(kept, Connection())
    clock.now += held_up
    assert taken(kept) is (None if done else connection)
    assert connection.done == done


def test_a_look_that_comes_so_late_gives_nothing_back() -> None:
    """The pool would take it for one that was used right now."""
    clock = Clock()
    kept = Kept(clock)  # type: ignore[arg-type] # stands for asyncio's
    connection = left(kept, Connection())
    clock.now += KEEP_ALIVE
    clock.rings[0][1]()
    assert (connection.done, kept._timer, len(clock.rings)) == (["close"], None, 1)


# --- with a client -------------------------------------------------------------------------------------------------


def test_a_client_uses_one_connection_for_one_job_after_the_other() -> None:
    """Whether it was kept meanwhile, or is the pool's again."""

    async def main() -> None:
        async with RawServer(always=gateway) as server, client(server) as submitter:
            for pause in (0.0, KEPT / 2, 5 * KEPT):
                await asyncio.sleep(pause)
                await submitter.submit(request(f"job-{pause:.0%}".removesuffix("%")))
            assert [connection.seen.count(b"POST ") for connection in server.connections] == [3]

    hurry(main())


def test_a_closed_client_leaves_no_connection_open() -> None:
    """Nor a warning of one: warnings are errors here."""

    async def main() -> None:
        async with RawServer(always=gateway) as server:
            async with client(server) as submitter:
                await submitter.submit_many([request(f"job-{number}") for number in range(5)])
            await asyncio.sleep(1.0)
            assert all(connection.gone.is_set() for connection in server.connections)

    hurry(main())
