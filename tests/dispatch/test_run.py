"""The one loop, where simulation does not reach: journals that break, hooks that fail, files that are gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import AudioBytes, AudioFile, Limits, LipSyncRequest, Progress, RunOptions, Timeouts
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.jobbook import Jobbook
from lipsync_async.errors import JournalError, NotSentError
from lipsync_async.journal import Journal, Record, State, Store
from lipsync_async.journal.face import Done
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind
from tests.dispatch.helpers import keys
from tests.dispatch.test_streaming import read_into
from tests.loopback.acts import client, request, requests, tell, wav
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


# --- journals that break -------------------------------------------------------------------------------------------


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


# --- hooks that fail -----------------------------------------------------------------------------------------------


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


# --- what one batch, one key and one journal do to others ----------------------------------------------------------


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


def test_a_choice_that_there_is_not_is_refused_at_once() -> None:
    """A typo would otherwise decide what may be paid for twice."""
    for good in ("lookup", "report", "resend"):
        assert RunOptions(ambiguous=good).ambiguous == good
    with pytest.raises(ValueError, match="ambiguous"):
        RunOptions(ambiguous="typo")  # type: ignore[arg-type]


def test_a_token_that_saw_only_refusals_may_be_renewed() -> None:
    """A refusal for capacity says that the key is good: when it expires after that, there is a new one."""
    expired = reply({"code": 1004, "message": "expired"}, 401)
    full = reply({"code": 1303, "message": "parallel task over resource pack limit"}, 429)
    given, source = keys()
    told = tell(always=answering(expired, full, expired, None), api_key=source)
    assert isinstance(told.outcome, Accepted), told.outcome
    assert (told.outcome.attempts, told.outcome.refusals) == (1, 3)
    assert len(given) == 3


def test_a_key_that_stopped_a_batch_is_asked_for_anew_by_the_next() -> None:
    """The callable may have a better one by then."""
    given, source = keys()

    async def strict(connection: Connection) -> None:
        wrong = reply({"code": 1002, "message": "wrong key"}, 401)
        while sent := await connection.request():
            good = sent.headers["authorization"] == "Bearer key-number-2"
            await connection.send(created(sent.external_task_id) if good else wrong)

    async def main() -> None:
        async with RawServer(always=strict) as server, client(server, api_key=source) as submitter:
            with pytest.raises(NotSentError) as caught:
                await submitter.submit(request())
            assert caught.value.kind is Kind.AUTH
            assert len(given) == 1
            assert (await submitter.submit(request())).external_task_id == "job-1"
            await submitter.submit(request("job-2"))
        assert len(given) == 2

    hurry(main())


def test_a_look_up_that_the_key_is_too_old_for_is_asked_again_with_a_new_one() -> None:
    """At once, and it does not count."""
    given, source = keys()

    async def play(connection: Connection) -> None:
        while sent := await connection.request():
            if sent.method == "POST":
                await connection.send(reply(b"", 502))
            elif sent.headers["authorization"] == "Bearer key-number-1":
                await connection.send(reply({"code": 1004, "message": "expired"}, 401))
            else:
                await connection.send(created("job-1", "77"))

    told = tell(always=play, api_key=source)
    assert isinstance(told.outcome, Accepted), told.outcome
    assert (told.outcome.task_id, told.outcome.recovered) == ("77", True)
    assert (told.server.look_ups, len(given)) == (2, 2)
    assert told.seconds < 2.0


def test_a_wrong_key_ends_a_reconciliation_soon(tmp_path: Path) -> None:
    """What an earlier run left unknown stays so; nobody waits for eight failures a job."""
    wrong = reply({"code": 1002, "message": "wrong key"}, 401)

    async def main() -> None:
        limits = Limits(max_in_flight=2)
        script = answering(reply(b"", 502), found=wrong)
        async with RawServer(always=script) as server, client(server, limits=limits) as submitter:
            report = RunOptions(ambiguous="report")
            lost = await submitter.submit_many(requests(4), journal=tmp_path / "j", options=report)
            assert len(lost.unknown) == 4
            async with submitter.reconcile(tmp_path / "j") as outcomes:
                told = [outcome async for outcome in outcomes]
            assert 1 <= server.look_ups <= 2
        assert [outcome.name for outcome in told] == ["unknown"] * 4

    hurry(main())


def test_a_job_that_is_cut_off_while_it_is_written_down_tells_what_was_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal hangs, the grace is over: the gateway had accepted it all the same."""
    post = Journal.post

    def stuck(self: Journal, record: Record, done: Done | None = None) -> None:
        if record.state is not State.ACCEPTED:
            post(self, record, done)

    monkeypatch.setattr(Journal, "post", stuck)

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(3), into=into, journal=tmp_path / "j"))
            while server.total < 3:  # noqa: ASYNC110 - the journal's thread has its own time
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.0)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert submitter._account is not None
            assert submitter._account.registry.under_way == 0
        assert [outcome.name for outcome in into.values()] == ["accepted"] * 3

    hurry(main())


@pytest.mark.parametrize("grace", [0.0, 10.0])
def test_a_batch_that_is_cancelled_twice_at_a_disk_that_hangs_loses_nothing(
    grace: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second cancellation cuts the last words short, too: every job has come out, and holds no place any more."""
    monkeypatch.setattr(Journal, "post", lambda _journal, _record, _done=None: None)

    async def main() -> None:
        into: dict[str, Outcome] = {}
        limits = Limits(max_in_flight=2, initial_per_second=1e6)
        async with RawServer() as server, client(server, limits=limits, timeouts=Timeouts(grace=grace)) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(5), into=into, journal=tmp_path / "j"))
            assert submitter._account is not None
            while submitter._account.registry.under_way < 2:  # noqa: ASYNC110 - the journal's thread has its own time
                await asyncio.sleep(0.01)
            for _ in range(3):  # the first stops it, the second ends the grace, the third the last words
                batch.cancel()
                await asyncio.sleep(1.0)
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert submitter._account.pacer.in_flight == 0
            assert submitter._account.registry.under_way == 0
        assert sorted(into) == [f"job-{number}" for number in range(5)]
        assert {outcome.name for outcome in into.values()} == {"not_sent"}

    hurry(main())


def test_what_was_about_to_leave_when_all_was_cut_off_is_sent_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its intent reached the disk, its bytes never left: it was told as not sent, and nothing is looked up."""
    write_rows, gate = Store.write_rows, threading.Event()

    def slow(store: Store, rows: list[Any]) -> None:
        gate.wait(30)
        write_rows(store, rows)

    monkeypatch.setattr(Store, "write_rows", slow)

    async def main() -> None:
        into: dict[str, Outcome] = {}
        limits = Limits(max_in_flight=2, initial_per_second=1e6)
        async with RawServer() as server, client(server, limits=limits, timeouts=Timeouts(grace=0.0)) as submitter:
            batch = asyncio.ensure_future(submitter.submit_many(requests(5), into=into, journal=tmp_path / "j"))
            assert submitter._account is not None
            while submitter._account.registry.under_way < 2:  # noqa: ASYNC110 - the journal's thread has its own time
                await asyncio.sleep(0.01)
            for _ in range(2):
                batch.cancel()
                await asyncio.sleep(1.0)
            gate.set()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert {outcome.name for outcome in into.values()} == {"not_sent"}
            assert server.total == 0
            result = await submitter.submit_many(requests(5), journal=tmp_path / "j")
            assert len(result.accepted) == server.total == 5
            assert server.look_ups == 0

    hurry(main())


def test_an_outcome_and_the_next_intent_share_a_commit(tmp_path: Path, commits: list[int]) -> None:
    """A worker goes on while its outcome is written: ten jobs of one worker are eleven commits, not twenty."""

    async def main() -> None:
        limits = Limits(max_in_flight=1, initial_per_second=1e6)
        async with RawServer() as server, client(server, limits=limits) as submitter:
            result = await submitter.submit_many(requests(10), journal=tmp_path / "j")
            assert len(result.accepted) == 10

    hurry(main())
    assert commits == [1, *[2] * 9, 1]


def test_an_outcome_that_cannot_even_be_posted_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours between the answer and the journal: the run fails, and every job comes out, that one in doubt."""
    settle = Jobbook.settle

    def broken(self: Jobbook, job: Job, outcome: Outcome, done: Done) -> None:
        if outcome.external_task_id == "job-3" and isinstance(outcome, Accepted):
            raise RuntimeError("a fault of ours")
        settle(self, job, outcome, done)

    monkeypatch.setattr(Jobbook, "settle", broken)

    async def main() -> None:
        into: dict[str, Outcome] = {}
        async with RawServer() as server, client(server, limits=Limits(max_in_flight=2)) as submitter:
            with pytest.raises(RuntimeError, match="a fault of ours"):
                await submitter.submit_many(requests(8), into=into, journal=tmp_path / "j")
        assert len(into) == 8
        assert isinstance(into["job-3"], Unknown)

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
