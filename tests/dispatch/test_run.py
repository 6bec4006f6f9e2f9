"""The one loop, where simulation does not reach: journals that break, hooks that fail, files that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from attrs import evolve

from lipsync_async import AudioBytes, AudioFile, Limits, LipSyncRequest, Progress, RunOptions
from lipsync_async.errors import JournalError
from lipsync_async.journal import Journal, Record
from lipsync_async.journal.face import Done
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind
from tests.dispatch.test_streaming import read_into
from tests.loopback.acts import client, request, requests, wav
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, answering, created, reply

SAME = reply({"code": 1201, "message": "session 4711 is unknown", "request_id": "r"}, 400)


def test_a_job_without_an_id_is_sent_under_its_content(tmp_path: Path) -> None:
    """In a stream too, from a file too, with the prefix; the same content twice is sent once."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    sound = request(None, sound_file=AudioFile(path), sound_end_time=2500)
    same = request(None, sound_file=AudioBytes(wav()), sound_end_time=2500)

    async def main() -> None:
        async with (
            RawServer() as server,
            client(server) as submitter,
            submitter.stream([sound, same], options=RunOptions(id_prefix="batch7-")) as outcomes,
        ):
            told = [outcome async for outcome in outcomes]
        accepted, rejected = sorted(told, key=lambda outcome: outcome.name)
        assert isinstance(accepted, Accepted)
        assert isinstance(rejected, Rejected)
        assert rejected.kind is Kind.DUPLICATE_ID
        assert accepted.external_task_id == rejected.external_task_id
        assert accepted.external_task_id.startswith("batch7-")
        assert server.creates == {accepted.external_task_id: 1}

    hurry(main())


def test_a_file_that_is_gone_rejects_its_job_in_a_stream(tmp_path: Path) -> None:
    """It has no content to be named by; the others go their way."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    gone = request(None, sound_file=AudioFile(path), sound_end_time=2500)
    path.unlink()

    async def main() -> None:
        async with (
            RawServer() as server,
            client(server) as submitter,
            submitter.stream([gone, request("a")]) as outcomes,
        ):
            told = {outcome.external_task_id: outcome async for outcome in outcomes}
        assert isinstance(told["a"], Accepted)
        (rejected,) = (outcome for outcome in told.values() if isinstance(outcome, Rejected))
        assert rejected.kind is Kind.VALIDATION
        assert server.creates == {"a": 1}

    hurry(main())


def test_twenty_rejections_alike_stop_the_batch() -> None:
    """The list or the profile is wrong, not twenty jobs; ids in the message make no difference."""

    async def main() -> None:
        limits = Limits(max_in_flight=1)
        async with RawServer(always=answering(SAME)) as server, client(server, limits=limits) as submitter:
            result = await submitter.submit_many(requests(60))
        assert (len(result.rejected), len(result.not_sent)) == (20, 40)
        assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.CONFIGURATION}
        assert server.total == 20

    hurry(main())


def test_one_job_that_is_accepted_makes_rejections_the_jobs_own() -> None:
    """However alike they are."""

    async def main() -> None:
        limits = Limits(max_in_flight=1)
        script = answering(None, SAME)
        async with RawServer(always=script) as server, client(server, limits=limits) as submitter:
            result = await submitter.submit_many(requests(40))
        assert (len(result.accepted), len(result.rejected)) == (1, 39)

    hurry(main())


def test_a_batch_whose_replies_all_reject_alike_stops_alone() -> None:
    """Its list is wrong; another batch of the same client, that has had no reply yet, goes on."""
    kept_back = asyncio.Event()

    async def play(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.external_task_id.startswith("job-"):
                await connection.send(SAME)
            else:
                await kept_back.wait()
                await connection.send(created(sent.external_task_id))

    async def good() -> AsyncIterator[LipSyncRequest]:
        yield request("good-0")
        await kept_back.wait()
        for number in range(1, 30):
            yield request(f"good-{number}")

    async def main() -> None:
        async with RawServer(always=play) as server, client(server, limits=Limits(max_in_flight=2)) as submitter:
            told: list[Outcome] = []
            other = asyncio.ensure_future(read_into(told, submitter.stream(good())))
            await asyncio.sleep(0.1)
            result = await submitter.submit_many(requests(60))
            kept_back.set()
            await other
        assert 20 <= len(result.rejected) <= 22
        assert {outcome.kind for outcome in result.not_sent.values()} == {Kind.CONFIGURATION}
        assert len(result) == 60
        assert [outcome.name for outcome in told] == ["accepted"] * 30

    hurry(main())


def test_a_choice_to_send_again_does_not_make_doubt_go_away() -> None:
    """Opted in, an attempt that was refused later leaves the job unknown: the join over all attempts."""

    async def main() -> None:
        script = answering(reply(b"", 502), SAME)
        async with RawServer(always=script) as server, client(server) as submitter:
            outcome = (await submitter.submit_many([request()], options=RunOptions(ambiguous="resend")))["job-1"]
        assert isinstance(outcome, Unknown), outcome
        assert (outcome.http_status, outcome.attempt, server.total) == (502, 1, 2)

    hurry(main())


def test_a_long_retry_after_on_doubt_closes_the_gate_for_all() -> None:
    """It moves the gate, it does not make the job sendable."""

    async def main() -> None:
        late = reply(b"", 503, "Retry-After: 30")
        limits = Limits(max_in_flight=1)
        async with RawServer(always=answering(late, None)) as server, client(server, limits=limits) as submitter:
            begun = asyncio.get_running_loop().time()
            result = await submitter.submit_many(requests(2))
            assert asyncio.get_running_loop().time() - begun >= 30.0
        assert isinstance(result["job-0"], Unknown)
        assert isinstance(result["job-1"], Accepted)
        assert server.creates == {"job-0": 1, "job-1": 1}

    hurry(main())


def test_a_choice_that_there_is_not_is_refused_at_once() -> None:
    """A typo would otherwise decide what may be paid for twice."""
    for good in ("lookup", "report", "resend"):
        assert RunOptions(ambiguous=good).ambiguous == good
    with pytest.raises(ValueError, match="ambiguous"):
        RunOptions(ambiguous="typo")  # type: ignore[arg-type]


# --- journals that break --------------------------------------------------------------------------------------------


def breaking(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """From that write on the disk is full."""
    post, count = Journal.post, 0

    def fail(self: Journal, record: Record, done: Done | None = None) -> None:
        nonlocal count
        count += 1
        if count <= after:
            post(self, record, done)
        elif done is not None:
            done(JournalError("the disk is full"))

    monkeypatch.setattr(Journal, "post", fail)


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_a_journal_that_breaks_ends_the_batch_before_its_promise(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No send without a durable intent; all comes out, and nothing is sent twice by the next run."""
    breaking(monkeypatch, after)

    async def main() -> None:
        limits = Limits(max_in_flight=1)
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server, limits=limits) as submitter:
            result = await submitter.submit_many(requests(10), into=into, journal=tmp_path / "j")
            assert len(result) == 10
            assert {outcome.kind for outcome in result.not_sent.values()} <= {Kind.STORAGE}
            assert server.total == (after + 1) // 2 == len(result.accepted)
            monkeypatch.undo()
            again = await submitter.submit_many(requests(10), journal=tmp_path / "j")
            assert len(again) == 10
        assert set(server.creates.values()) == {1}

    hurry(main())


def test_a_job_that_an_earlier_run_left_open_is_looked_up_first(tmp_path: Path) -> None:
    """Found, it is adopted; nothing is sent."""

    async def hang(connection: Connection) -> None:
        await connection.hang()

    async def main() -> None:
        script = answering(None, found=created("job-1", "77"))
        async with RawServer(hang, always=script) as server, client(server) as submitter:
            lost = asyncio.ensure_future(submitter.submit_many([request()], journal=tmp_path / "j"))
            while not server.total:  # noqa: ASYNC110 - the journal's thread has its own time
                await asyncio.sleep(0.01)
            lost.cancel()
            with pytest.raises(asyncio.CancelledError):
                await lost
            async with submitter.stream([request()], journal=tmp_path / "j") as outcomes:
                (outcome,) = [outcome async for outcome in outcomes]
            assert server.total == 1
        assert isinstance(outcome, Accepted), outcome
        assert (outcome.task_id, outcome.recovered) == ("77", True)

    hurry(main())


# --- hooks that fail ------------------------------------------------------------------------------------------------


def test_a_spending_cap_that_raises_ends_the_batch_with_its_error() -> None:
    """Before the send: nothing of that job left."""

    def allow(job: LipSyncRequest) -> str | None:
        if job.external_task_id == "job-2":
            raise ZeroDivisionError
        return None

    async def main() -> None:
        into: dict[str, Outcome] = {}
        limits = Limits(max_in_flight=1)
        async with RawServer() as server, client(server, limits=limits) as submitter:
            with pytest.raises(ZeroDivisionError):
                await submitter.submit_many(requests(5), into=into, options=RunOptions(allow=allow))
        assert [outcome.name for outcome in into.values()] == ["accepted"] * 2 + ["not_sent"] * 3
        assert server.total == 2

    hurry(main())


def test_many_jobs_that_wait_for_nothing_let_others_have_their_turn() -> None:
    """A thousand invalid jobs do not hold up the loop."""
    turns = 0

    async def main() -> None:
        nonlocal turns

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counter = asyncio.ensure_future(count())
        async with RawServer() as server, client(server, limits=Limits(max_in_flight=1)) as submitter:
            broken = request(sound_end_time=100)
            jobs = (evolve(broken, external_task_id=f"bad-{number}") for number in range(1000))
            async with submitter.stream(jobs) as outcomes:
                told = [outcome async for outcome in outcomes]
        counter.cancel()
        assert len(told) == 1000
        assert all(isinstance(outcome, Rejected) for outcome in told)
        assert not server.connections

    hurry(main())
    assert turns > 10


def test_a_source_that_breaks_within_a_batch_of_refusals_leaves_no_job_behind() -> None:
    """Parked jobs come out too."""

    def broken() -> Iterator[LipSyncRequest]:
        yield from requests(3)
        raise ZeroDivisionError

    async def main() -> None:
        busy = reply(b"", 429, "Retry-After: 60")
        told: list[Outcome] = []
        async with RawServer(always=answering(busy)) as server, client(server) as submitter:
            with pytest.raises(ZeroDivisionError):
                await read_into(told, submitter.stream(broken()))
        assert len(told) == 3
        assert all(isinstance(outcome, NotSent) for outcome in told)

    hurry(main())


def test_no_more_hooks_than_a_window_run_at_once_and_none_is_left_behind() -> None:
    """While as many outcomes are unheard, no new job is begun; the batch ends when all are heard."""
    running = most = heard = 0

    async def slow(_: Progress) -> None:
        nonlocal running, most, heard
        running += 1
        most = max(most, running)
        await asyncio.sleep(5.0)
        running -= 1
        heard += 1

    async def main() -> None:
        async with RawServer() as server, client(server, limits=Limits(max_in_flight=3)) as submitter:
            result = await submitter.submit_many(requests(20), on_progress=slow)
            assert len(result.accepted) == heard == 20

    hurry(main())
    assert 3 <= most < 2 * 3  # a window of them, and those that were in flight when it was full
