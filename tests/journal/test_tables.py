"""The rules of claims, one by one, in the model and in PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lipsync_async.journal.claims import Claim, Elsewhere, Fate, Line, Settled, Table, Taken
from lipsync_async.journal.record import Record, State
from tests import postgres
from tests.amounts import how_many
from tests.journal.memory_table import MemoryTable

GATEWAY = "https://gateway.example"
_numbers = count(1)


class Server:
    """Makes tables, with a way to end all leases at once."""

    def __init__(self, url: str | None) -> None:
        self.url = url

    @contextlib.asynccontextmanager
    async def table(self) -> AsyncIterator[tuple[Table, Callable[[str], Awaitable[None]]]]:
        """An empty table, and what ends an owner's lease."""
        if self.url is None:
            model = MemoryTable(now=lambda: 1000.0)

            async def end(owner: str) -> None:
                model.leases[owner] = (999.0, 1.0)

            yield model, end
            return
        from lipsync_async.journal.postgres.opening import open_postgres

        journal = await open_postgres(f"{self.url}?lease=0.01", gateway=f"{GATEWAY}/{next(_numbers)}")
        table: Any = journal._table
        assert journal._pulse is not None
        journal._pulse.cancel()

        async def end_lease(owner: str) -> None:
            query = "UPDATE lipsync_owners SET lease = clock_timestamp() - interval '1 s', seconds = 0 WHERE owner = $1"
            await table._lines.ask(lambda connection: connection.execute(query, owner))

        try:
            yield table, end_lease
        finally:
            await journal.aclose()


Act: TypeAlias = Callable[[Table, Callable[[str], Awaitable[None]]], Awaitable[Any]]


@pytest.fixture(scope="module", params=["model", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The model, and a real server."""
    if request.param == "model":
        yield Server(None)
        return
    if not postgres.is_there():
        pytest.skip(postgres.MISSING)
    with postgres.Postgres() as database:
        yield Server(database.url)


def on(server: Server, act: Act) -> Any:
    """Does it with an empty table, where the owners `a` and `b` live."""

    async def main() -> Any:
        async with server.table() as (table, end):
            await table.beat("a", 60.0, (), 0)
            await table.beat("b", 60.0, (), 0)
            return await act(table, end)

    return asyncio.run(main())


def line(fence: int, step: int, state: State | None, *, task_id: str | None = None, name: str = "job") -> Line:
    """A line of a job."""
    return Line(name, fence, step, None if state is None else Record(name, b"print", state, task_id=task_id))


async def taken(table: Table, owner: str, step: int, name: str = "job") -> Claim:
    """One claim."""
    return (await table.claim(owner, (name,), step))[name]


async def put(table: Table, owner: str, one: Line) -> Fate:
    """One line."""
    return (await table.write(owner, (one,)))[0]


def test_a_job_is_one_owners_while_it_lives(server: Server) -> None:
    """Who comes second is told so, with what is known of the job."""

    async def act(table: Table, _: Any) -> None:
        assert await taken(table, "a", 1) == Taken(1, None)
        assert await taken(table, "b", 1) == Elsewhere(None)
        opened = line(1, 2, State.OPEN)
        assert await put(table, "a", opened) is Fate.WRITTEN
        assert await taken(table, "b", 2) == Elsewhere(opened.record)

    on(server, act)


def test_a_dead_owners_job_is_taken_over_with_what_it_left(server: Server) -> None:
    """And nothing that it writes late counts, but an acceptance."""

    async def act(table: Table, end: Callable[[str], Awaitable[None]]) -> None:
        await taken(table, "a", 1)
        opened = line(1, 2, State.OPEN)
        await put(table, "a", opened)
        await end("a")
        assert await taken(table, "b", 1) == Taken(2, opened.record)
        for state in (State.OPEN, State.CLEARED, State.REJECTED, State.UNKNOWN, State.NOT_SENT):
            assert await put(table, "a", line(1, 3, state)) is Fate.LOST
        assert await put(table, "a", line(1, 4, State.ACCEPTED, task_id="7")) is Fate.WRITTEN
        claim = await taken(table, "b", 2)
        assert isinstance(claim, Settled)
        assert claim.record.task_id == "7"
        assert await put(table, "b", line(2, 3, State.OPEN)) is Fate.LOST
        assert await put(table, "b", line(2, 4, State.ACCEPTED, task_id="7")) is Fate.WRITTEN
        assert await put(table, "b", line(2, 5, State.ACCEPTED, task_id="8")) is Fate.LOST

    on(server, act)


def test_an_intent_needs_the_lease_and_nothing_else_does(server: Server) -> None:
    """Where only the lease is gone the claim is not lost."""

    async def act(table: Table, end: Callable[[str], Awaitable[None]]) -> None:
        await taken(table, "a", 1)
        await end("a")
        assert await put(table, "a", line(1, 2, State.OPEN)) is Fate.LATE
        await table.beat("a", 60.0, ("job",), 2)
        assert await put(table, "a", line(1, 2, State.OPEN)) is Fate.WRITTEN
        await end("a")
        assert await put(table, "a", line(1, 3, State.CLEARED)) is Fate.WRITTEN

    on(server, act)


def test_a_line_may_be_written_twice_and_not_out_of_order(server: Server) -> None:
    """The answer may be lost; and a line that comes late undoes nothing."""

    async def act(table: Table, _: Any) -> None:
        await taken(table, "a", 1)
        assert await put(table, "a", line(1, 2, State.CLEARED)) is Fate.WRITTEN
        opened = line(1, 3, State.OPEN)
        assert await put(table, "a", opened) is Fate.WRITTEN
        assert await put(table, "a", opened) is Fate.WRITTEN
        assert await put(table, "a", line(1, 2, State.CLEARED)) is Fate.LOST
        assert await table.recall("job") == opened.record
        for end in (line(1, 4, State.UNKNOWN), line(1, 4, State.UNKNOWN)):
            assert await put(table, "a", end) is Fate.WRITTEN
        assert await put(table, "a", line(1, 5, State.OPEN)) is Fate.LOST  # what has ended is nobody's

    on(server, act)


def test_a_claim_whose_answer_was_lost_is_taken_again(server: Server) -> None:
    """With another fence; the first claim, coming late, changes nothing."""

    async def act(table: Table, _: Any) -> None:
        assert await taken(table, "a", 1) == Taken(1, None)
        assert await taken(table, "a", 2) == Taken(2, None)
        assert await taken(table, "a", 1) == Elsewhere(None)
        assert await put(table, "a", line(1, 3, State.OPEN)) is Fate.LOST
        assert await put(table, "a", line(2, 3, State.OPEN)) is Fate.WRITTEN

    on(server, act)


def test_what_an_owner_does_not_know_of_is_given_back_at_its_beat(server: Server) -> None:
    """Up to the step at which the beat was sent: what it got later it may not know of yet."""

    async def act(table: Table, _: Any) -> None:
        await taken(table, "a", 1, "known")
        await taken(table, "a", 2, "unknown")
        await taken(table, "a", 4, "later")
        await table.beat("a", 60.0, ("known",), 3)
        assert isinstance(await taken(table, "b", 1, "known"), Elsewhere)
        assert await taken(table, "b", 2, "unknown") == Taken(2, None)
        assert isinstance(await taken(table, "b", 3, "later"), Elsewhere)

    on(server, act)


def test_a_claim_that_is_given_back_is_the_next_ones(server: Server) -> None:
    """Without a record, too; its old fence is worth nothing, and to give it back again does nothing."""

    async def act(table: Table, _: Any) -> None:
        await taken(table, "a", 1)
        assert await put(table, "a", line(1, 2, None)) is Fate.WRITTEN
        assert await table.recall("job") is None
        assert await taken(table, "b", 1) == Taken(2, None)
        assert await put(table, "a", line(1, 2, None)) is Fate.WRITTEN
        assert isinstance(await taken(table, "a", 3), Elsewhere)

    on(server, act)


FULL = Record(
    "jöb \ud800 \0",
    b"\x00\xff",
    State.REJECTED,
    attempts=3,
    refusals=2,
    first_intent_at=1.5,
    last_intent_at=2.5,
    line=1 << 40,
    core=b"core",
    key=b"key",
    owned=True,
    task_status="submitted",
    http_status=400,
    request_id="req\0",
    kind="invalid_request",
    code=1 << 80,
    message="nö \udfff",
    phase="answered",
    ended_at=3.5,
    found_task_id="77",
)


def test_a_record_comes_back_as_it_was_but_for_what_no_text_can_hold(server: Server) -> None:
    """NUL and half surrogates are written as their escapes."""

    async def act(table: Table, _: Any) -> Record | None:
        await table.claim("a", (FULL.external_task_id,), 1)
        assert await table.write("a", (Line(FULL.external_task_id, 1, 2, FULL),)) == [Fate.WRITTEN]
        return await table.recall(FULL.external_task_id)

    found = on(server, act)
    assert found is not None
    if server.url is None:
        assert found == FULL
        return
    assert found.message == "nö \\udfff"
    assert found.code == str(1 << 80)
    assert found.request_id == "req\\x00"
    texts = {"external_task_id", "message", "code", "request_id"}
    same = [name for name in Record.__struct_fields__ if name not in texts]
    assert [getattr(found, name) for name in same] == [getattr(FULL, name) for name in same]


STATES = [None, *State]
ACTS = st.one_of(
    st.tuples(st.just("claim"), st.sampled_from("ab"), st.sampled_from(["x", "y"]), st.integers(1, 6)),
    st.tuples(
        st.just("write"),
        st.sampled_from("ab"),
        st.sampled_from(["x", "y"]),
        st.integers(1, 6),
        st.integers(1, 4),
        st.sampled_from(STATES),
        st.sampled_from(["1", "2"]),
    ),
    st.tuples(st.just("beat"), st.sampled_from("ab"), st.sampled_from([(), ("x",)]), st.integers(0, 6)),
    st.tuples(st.just("end"), st.sampled_from("ab")),
)


async def _do(table: Table, end: Callable[[str], Awaitable[None]], acts: list[tuple[Any, ...]]) -> list[object]:
    """What each act brought."""
    told: list[object] = []
    for what, owner, *rest in acts:
        if what == "claim":
            told.append(await taken(table, owner, rest[1], rest[0]))
        elif what == "write":
            name, step, fence, state, task_id = rest
            told.append(await put(table, owner, line(fence, step, state, task_id=task_id, name=name)))
        elif what == "beat":
            await table.beat(owner, 60.0, *rest)
        else:
            await end(owner)
    return [*told, await table.recall("x"), await table.recall("y")]


@pytest.fixture(scope="module")
def real() -> Iterator[Server]:
    """A real server."""
    if not postgres.is_there():
        pytest.skip(postgres.MISSING)
    with postgres.Postgres() as database:
        yield Server(database.url)


@settings(max_examples=how_many(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, max_size=25))
def test_postgresql_does_what_the_model_does(real: Server, acts: list[tuple[Any, ...]]) -> None:
    """Any acts of two owners, in any order, bring the same answers."""
    answers = [on(one, lambda table, end: _do(table, end, acts)) for one in (Server(None), real)]
    assert answers[0] == answers[1]
