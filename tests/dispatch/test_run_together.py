"""What one batch, one key and one journal do to others, and what a cut-off leaves behind."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import Limits, RunOptions, Timeouts
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.jobbook import Jobbook
from lipsync_async.errors import NotSentError
from lipsync_async.journal import Journal, Record, State, Store
from lipsync_async.journal.face import Done
from lipsync_async.outcomes import Accepted, Outcome, Unknown
from lipsync_async.terms import Kind
from tests.dispatch.helpers import keys
from tests.loopback.acts import client, request, requests, tell
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, answering, created, reply

# --- keys that several share ----------------------------------------------------------------------------------------


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


# --- journals that are slow, and cut-offs ---------------------------------------------------------------------------


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
