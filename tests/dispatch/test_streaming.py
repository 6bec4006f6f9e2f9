"""`stream`: outcomes as they come, bounded memory, leaving early, sources and hooks that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from lipsync_async import Limits, LipSyncClient, LipSyncRequest, Progress
from lipsync_async.dispatch.streaming import OutcomeStream
from lipsync_async.errors import ClientClosedError, JournalError
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind
from tests.loopback.acts import client, request, requests
from tests.loopback.hurried import hurry
from tests.loopback.misdeeds import hang
from tests.loopback.raw import Connection, RawServer

FAST = Limits(max_in_flight=4, initial_per_second=10_000.0)


async def all_of(submitter: LipSyncClient, jobs: object) -> list[Outcome]:
    """What a stream gives."""
    async with submitter.stream(jobs) as outcomes:  # type: ignore[call-overload]
        return [outcome async for outcome in outcomes]


async def read_into(read: list[Outcome], stream: OutcomeStream) -> None:
    """Reads a stream to its end, or to what it raises."""
    async with stream as outcomes:
        async for outcome in outcomes:
            read.append(outcome)  # noqa: PERF401 - what was read before an error counts


def test_a_stream_gives_every_outcome_once() -> None:
    """From a list, a generator or an async generator; and ends."""

    def pull() -> Iterator[LipSyncRequest]:
        yield from requests(30)

    async def pull_later() -> AsyncIterator[LipSyncRequest]:
        for job in requests(30):
            await asyncio.sleep(0.01)
            yield job

    async def main() -> None:
        for jobs in (requests(30), pull(), pull_later()):
            async with RawServer() as server, client(server) as submitter:
                outcomes = await all_of(submitter, jobs)
            assert sorted(outcome.external_task_id for outcome in outcomes) == sorted(server.creates)
            assert len(outcomes) == 30

    hurry(main())


def test_an_empty_stream_ends_at_once() -> None:
    """Nothing in, nothing out."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            assert await all_of(submitter, []) == []

    hurry(main())


def test_a_slow_reader_holds_the_source_back() -> None:
    """Never more than a few windows are pulled ahead of what was read."""
    pulled = 0

    def pull() -> Iterator[LipSyncRequest]:
        nonlocal pulled
        for job in requests(200):
            pulled += 1
            yield job

    async def main() -> None:
        ahead = []
        async with RawServer() as server, client(server, limits=FAST) as submitter:
            async with submitter.stream(pull()) as outcomes:
                read = 0
                async for _ in outcomes:
                    read += 1
                    await asyncio.sleep(1.0)
                    ahead.append(pulled - read)
            assert read == 200
            assert max(ahead) <= 3 * 4 + 1

    hurry(main())


def test_a_repeated_id_is_rejected_unsent() -> None:
    """A stream can't look ahead: same content or not, the second one is not sent."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            jobs = [request("a"), request("b"), request("a"), request("b", sound_end_time=4000)]
            outcomes = await all_of(submitter, jobs)
        rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
        assert [outcome.kind for outcome in rejected] == [Kind.DUPLICATE_ID] * 2
        assert server.creates == {"a": 1, "b": 1}

    hurry(main())


def test_leaving_early_keeps_what_was_drained_in_rest() -> None:
    """Every job that was pulled came out, either in the loop or in `rest`."""

    async def main() -> None:
        async with RawServer() as server, client(server, limits=FAST) as submitter:
            async with submitter.stream(requests(50)) as outcomes:
                read = [await anext(outcomes) for _ in range(3)]
            rest = outcomes.rest
            assert await anext(outcomes, None) is None
        told = [outcome.external_task_id for outcome in [*read, *rest]]
        assert len(told) == len(set(told))
        assert set(server.creates) <= set(told)
        assert {outcome.name for outcome in rest} <= {"accepted", "not_sent"}
        assert server.total < 50

    hurry(main())


def test_leaving_a_gateway_that_hangs_takes_the_grace_and_no_more() -> None:
    """What was in flight is unknown."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawServer(always=hang) as server, client(server, limits=FAST) as submitter:
            async with submitter.stream(requests(50)) as outcomes:
                await asyncio.sleep(1.0)
                begun = loop.time()
            assert 2.0 <= loop.time() - begun < 3.0
            unknown = [outcome for outcome in outcomes.rest if isinstance(outcome, Unknown)]
            assert len(unknown) == server.total == 4

    hurry(main())


def test_an_error_in_the_callers_loop_is_raised_and_loses_nothing() -> None:
    """Whatever the block raises."""

    async def leave_badly(stream: OutcomeStream) -> None:
        async with stream as outcomes:
            await anext(outcomes)
            raise ZeroDivisionError

    async def main() -> None:
        async with RawServer() as server, client(server, limits=FAST) as submitter:
            stream = submitter.stream(requests(50))
            with pytest.raises(ZeroDivisionError):
                await leave_badly(stream)
            assert set(server.creates) <= {outcome.external_task_id for outcome in stream.rest} | {"job-0"}

    hurry(main())


def test_a_source_that_raises_is_told_after_what_was_under_way() -> None:
    """Its error comes when all outcomes were read."""

    def broken() -> Iterator[LipSyncRequest]:
        yield from requests(5)
        raise ZeroDivisionError

    async def broken_later() -> AsyncIterator[LipSyncRequest]:
        for job in requests(5):
            yield job
        raise ZeroDivisionError

    async def main() -> None:
        for jobs in (broken(), broken_later()):
            read: list[Outcome] = []
            async with RawServer() as server, client(server) as submitter:
                with pytest.raises(ZeroDivisionError):
                    await read_into(read, submitter.stream(jobs))
            assert {outcome.external_task_id for outcome in read if isinstance(outcome, Accepted)} == set(
                server.creates
            )
            assert len(read) == 5

    hurry(main())


def test_stop_ends_a_stream_in_peace() -> None:
    """Intake ends, what is in flight finishes, and the loop ends by itself."""

    async def main() -> None:
        async with RawServer() as server, client(server, limits=FAST) as submitter:
            stream = submitter.stream(requests(1000))
            stream.stop()  # not begun: nothing to stop
            read = []
            async with stream as outcomes:
                async for outcome in outcomes:
                    read.append(outcome)
                    if len(read) == 10:
                        outcomes.stop()
        assert len(read) == 1000
        accepted = [outcome for outcome in read if isinstance(outcome, Accepted)]
        assert len(accepted) == server.total <= 10 + 3 * 4
        assert {outcome.kind for outcome in read if isinstance(outcome, NotSent)} == {Kind.CANCELLED}

    hurry(main())


def test_stop_leaves_an_endless_source() -> None:
    """An async source that never ends again is left at once."""

    async def endless() -> AsyncIterator[LipSyncRequest]:
        for job in requests(3):
            yield job
        await asyncio.Event().wait()

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter, submitter.stream(endless()) as outcomes:
            read = [await anext(outcomes) for _ in range(3)]
            outcomes.stop()
            assert await anext(outcomes, None) is None
        assert all(isinstance(outcome, Accepted) for outcome in read)

    hurry(main())


def test_progress_is_told_without_a_total() -> None:
    """Sync or async; the length of a stream is not known."""
    told: list[Progress] = []

    async def later(news: Progress) -> None:
        await asyncio.sleep(0.01)
        told.append(news)

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            for hook in (told.append, later):
                async with submitter.stream(requests(4), on_progress=hook) as outcomes:
                    assert len([outcome async for outcome in outcomes]) == 4

    hurry(main())
    assert len(told) == 8
    assert {news.total for news in told} == {None}


def test_progress_that_raises_ends_the_stream_with_its_error() -> None:
    """After the outcomes, none of which is lost."""

    def progress(_: Progress) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        read: list[Outcome] = []
        async with RawServer() as server, client(server, limits=FAST) as submitter:
            with pytest.raises(ZeroDivisionError):
                await read_into(read, submitter.stream(requests(30), on_progress=progress))
        assert {outcome.external_task_id for outcome in read if isinstance(outcome, Accepted)} == set(server.creates)

    hurry(main())


def test_a_cancelled_reader_can_read_on() -> None:
    """A time limit around one read breaks nothing."""

    async def slow(connection: Connection) -> None:
        await connection.request()
        await asyncio.sleep(2.0)
        await connection.send(b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n")

    async def main() -> None:
        async with RawServer(slow) as server, client(server) as submitter, submitter.stream([request()]) as outcomes:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(outcomes), 1.0)
            outcome = await anext(outcomes)
        assert isinstance(outcome, Accepted)
        assert server.total == 2

    hurry(main())


def test_a_cancelled_scope_around_a_stream_keeps_every_outcome() -> None:
    """The scope of anyio sees its cancellation; what was in flight is in `rest`."""

    async def main() -> None:
        async with RawServer(always=hang) as server, client(server, limits=FAST) as submitter:
            stream = submitter.stream(requests(20))
            with anyio.move_on_after(1.0) as scope:
                async with stream as outcomes:
                    async for _ in outcomes:
                        raise AssertionError("nothing is answered")
            assert scope.cancelled_caught
            assert sum(isinstance(outcome, Unknown) for outcome in stream.rest) == server.total == 4

    hurry(main())


def test_a_stream_of_a_closed_client_is_refused() -> None:
    """Made in time, entered too late: nothing is sent."""

    async def main() -> None:
        async with RawServer() as server:
            async with client(server) as submitter:
                stream = submitter.stream(requests(3))
            with pytest.raises(ClientClosedError):
                await stream.__aenter__()
            assert not server.connections

    hurry(main())


def test_a_source_that_is_none_leaves_no_journal_open(tmp_path: Path) -> None:
    """What is no iterable is a TypeError, and the journal can be opened again."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(TypeError):
                await submitter.stream(7, journal=tmp_path / "j").__aenter__()  # type: ignore[call-overload]
            async with submitter.stream(requests(2), journal=tmp_path / "j") as outcomes:
                assert len([outcome async for outcome in outcomes]) == 2

    hurry(main())


def test_a_journal_of_a_stream_is_resumed(tmp_path: Path) -> None:
    """What an earlier stream got accepted is told again, and not sent again."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            read: list[Outcome] = []
            for _ in range(2):
                await read_into(read, submitter.stream(requests(5), journal=tmp_path / "j"))
            replayed = [outcome.replayed for outcome in read if isinstance(outcome, Accepted)]
            assert replayed == [False] * 5 + [True] * 5
            assert set(server.creates.values()) == {1}
            with pytest.raises(JournalError):
                await submitter.stream([], journal=tmp_path).__aenter__()

    hurry(main())
