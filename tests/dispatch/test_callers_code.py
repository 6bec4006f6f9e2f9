"""Code of the caller's that raises anything, and sources that hold anything: every job comes out."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import AudioFile, Limits, LipSyncClient, LipSyncRequest, Progress, RunOptions
from lipsync_async.dispatch.delivery import Delivery
from lipsync_async.dispatch.job import Job
from lipsync_async.errors import ClientClosedError, HookError, InvalidRequestError, LipSyncError
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected
from lipsync_async.terms import Kind
from tests.loopback.acts import client, request, requests, wav
from tests.loopback.hurried import hurry
from tests.loopback.raw import RawServer

ONE = Limits(max_in_flight=1)
RAISES = [
    (asyncio.CancelledError, HookError),
    (StopAsyncIteration, HookError),
    (ZeroDivisionError, ZeroDivisionError),
]
WAYS = ["submit_many", "stream"]


class Pulled:
    """A source that gives these and then raises, if it is to; an iterator of either kind, and no generator."""

    def __init__(self, items: list[Any], error: type[BaseException] | None = None) -> None:
        self.items = items
        self.error = error

    def _next(self, end: type[BaseException]) -> Any:
        if self.items:
            return self.items.pop(0)
        error = self.error or end
        raise error


class Sync(Pulled, Iterator[Any]):
    """Pulled by `next`."""

    def __next__(self) -> Any:
        return self._next(StopIteration)


class Async(Pulled, AsyncIterator[Any]):
    """Pulled by `anext`."""

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        return self._next(StopAsyncIteration)


async def submitted(way: str, submitter: LipSyncClient, jobs: Any, told: list[Outcome], **settings: Any) -> None:
    """Submits jobs in one of two ways; what came out is told even where the call raises."""
    if way == "stream":
        async with submitter.stream(jobs, **settings) as outcomes:
            async for outcome in outcomes:
                told.append(outcome)  # noqa: PERF401 - what was read before an error counts
        return
    into: dict[str, Outcome] = {}
    try:
        await submitter.submit_many(jobs, into=into, **settings)
    finally:
        told.extend(into.values())


def journal_at(tmp_path: Path, wanted: bool) -> Path | None:
    """A journal's path, or none."""
    return tmp_path / "j" if wanted else None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", [list, Sync, Async])
@pytest.mark.parametrize("journal", [True, False])
def test_what_is_no_request_is_rejected_and_ends_nothing(
    way: str, source: Callable[[list[Any]], Any], journal: bool, tmp_path: Path
) -> None:
    """`None` among the jobs is not the end of them; each odd thing comes out under a name of its own."""

    async def main() -> None:
        told: list[Outcome] = []
        async with RawServer() as server, client(server, limits=ONE) as submitter:
            jobs = source([request("a"), None, request("b"), 7, None, request("c")])
            await submitted(way, submitter, jobs, told, journal=journal_at(tmp_path, journal))
        assert len({outcome.external_task_id for outcome in told}) == 6
        assert sorted(outcome.external_task_id for outcome in told if isinstance(outcome, Accepted)) == ["a", "b", "c"]
        assert {outcome.kind for outcome in told if isinstance(outcome, Rejected)} == {Kind.VALIDATION}
        assert server.total == 3

    hurry(main())


def test_none_alone_is_refused_before_anything_is_sent() -> None:
    """`submit` raises."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(InvalidRequestError):
                await submitter.submit(None)  # type: ignore[arg-type]
            assert not server.connections

    hurry(main())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("source", "raised", "expected"),
    [
        (source, *row)
        for source in (Sync, Async)
        for row in RAISES
        if not (source is Async and row[0] is StopAsyncIteration)  # the plain end of an async source
    ],
)
@pytest.mark.parametrize("journal", [True, False])
def test_a_source_that_raises(
    way: str,
    source: Any,
    raised: type[BaseException],
    expected: type[Exception],
    journal: bool,
    tmp_path: Path,
) -> None:
    """A list is read before anything is sent; of a stream everything that it gave comes out."""

    async def main() -> None:
        told: list[Outcome] = []
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(expected):
                await submitted(
                    way, submitter, source(requests(5), raised), told, journal=journal_at(tmp_path, journal)
                )
        assert len(told) == (5 if way == "stream" else 0)
        assert server.total == sum(isinstance(outcome, Accepted) for outcome in told)

    hurry(main())


def hooks(raised: type[BaseException], at: int) -> dict[str, dict[str, Any]]:
    """Settings in which the caller's own code raises at its so many-th call: of the client, and of the call."""
    calls = iter(range(1, 1000))

    def count() -> None:
        if next(calls) == at:
            raise raised

    def allow(_: LipSyncRequest) -> str | None:
        count()
        return None

    async def later(_: Progress) -> None:
        await asyncio.sleep(0.1)
        count()

    def key() -> str:
        raise raised

    async def key_later() -> str:
        await asyncio.sleep(0.1)
        raise raised

    def progress(_: Progress) -> None:
        count()

    return {
        "allow": {"options": RunOptions(allow=allow)},
        "progress": {"on_progress": progress},
        "async progress": {"on_progress": later},
        "key": {"api_key": key},
        "async key": {"api_key": key_later},
    }


@pytest.mark.parametrize(
    ("way", "where"),
    [
        (way, where)
        for way in (*WAYS, "submit")
        for where in ("allow", "progress", "async progress", "key", "async key")
        if way != "submit" or "progress" not in where  # it has none
    ],
)
@pytest.mark.parametrize(("raised", "expected"), RAISES)
@pytest.mark.parametrize("journal", [True, False])
def test_code_of_the_callers_that_raises(
    way: str, where: str, raised: type[BaseException], expected: type[Exception], journal: bool, tmp_path: Path
) -> None:
    """Every job comes out; what was sent is accepted, and the call raises the caller's error."""

    async def main() -> None:
        settings = hooks(raised, at=1 if way == "submit" else 3)[where]
        key = {"api_key": settings.pop("api_key")} if "api_key" in settings else {}
        settings["journal"] = journal_at(tmp_path, journal)
        told: list[Outcome] = []
        async with RawServer() as server, client(server, limits=Limits(max_in_flight=2), **key) as submitter:
            if way == "submit":
                with pytest.raises(expected):
                    await submitter.submit(request(), **settings)
                assert server.total == 0
                return
            with pytest.raises(expected):
                await submitted(way, submitter, requests(20), told, **settings)
        assert sorted(outcome.external_task_id for outcome in told) == sorted(f"job-{n}" for n in range(20))
        assert server.total == sum(isinstance(outcome, Accepted) for outcome in told) < 20
        assert {outcome.name for outcome in told} <= {"accepted", "not_sent"}

    hurry(main())


@pytest.mark.parametrize("raised", [asyncio.CancelledError, StopAsyncIteration, StopIteration, ZeroDivisionError])
@pytest.mark.parametrize("way", WAYS)
def test_an_observer_that_raises_takes_nothing_away(
    raised: type[BaseException], way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and every job is accepted."""
    caplog.set_level(logging.WARNING)

    def observer(_: object) -> None:
        raise raised

    async def main() -> None:
        told: list[Outcome] = []
        async with RawServer() as server, client(server, observer=observer) as submitter:
            await submitted(way, submitter, requests(5), told)
        assert [outcome.name for outcome in told] == ["accepted"] * 5

    hurry(main())
    assert [record.getMessage() for record in caplog.records] == ["the observer failed; this is told once"]


def test_a_stream_that_was_not_entered_says_so() -> None:
    """And sends nothing."""

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(ClientClosedError, match="entered first"):
                await anext(submitter.stream(requests(2)))
            assert not server.connections

    hurry(main())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("times", [1, 1 << 30])
def test_a_machine_without_descriptors_is_no_fault_of_a_sound(
    way: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again, and accepted; else it is not sent, and the next run with the journal sends it."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    job = request(sound_file=AudioFile(path), sound_end_time=2500)
    digest, reads = AudioFile.digest, 0

    def read(self: AudioFile) -> str:
        nonlocal reads
        reads += 1
        if reads <= times:
            raise OSError(errno.EMFILE, "too many open files", str(path))
        return digest(self)

    async def main() -> None:
        monkeypatch.setattr(AudioFile, "digest", read)
        async with RawServer() as server, client(server) as submitter:
            told: list[Outcome] = []
            await submitted(way, submitter, [job], told, journal=tmp_path / "j")
            (outcome,) = told
            if times == 1:
                assert isinstance(outcome, Accepted)
                return
            assert isinstance(outcome, NotSent)
            assert (outcome.kind, server.total) == (Kind.STORAGE, 0)
            monkeypatch.undo()
            await submitted(way, submitter, [job], told, journal=tmp_path / "j")
            assert isinstance(told[-1], Accepted)

    hurry(main())


@pytest.mark.parametrize("way", WAYS)
def test_a_job_that_did_not_come_out_is_never_passed_over(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the library's own that loses an outcome is raised, not returned."""
    deliver = Delivery.deliver

    def lossy(self: Delivery, job: Job, outcome: Outcome) -> None:
        if job.id != "job-2":
            deliver(self, job, outcome)

    monkeypatch.setattr(Delivery, "deliver", lossy)

    async def main() -> None:
        told: list[Outcome] = []
        async with RawServer() as server, client(server) as submitter:
            with pytest.raises(LipSyncError, match="only 4 of 5 jobs came out"):
                await submitted(way, submitter, requests(5), told)
        assert len(told) == 4

    hurry(main())
