"""Runs whose journal is written by other processes as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from lipsync_async import Accepted, LipSyncRequest, NotSent, NotSentError, Rejected, Unknown
from lipsync_async.errors import ClaimLostError, JournalError
from lipsync_async.journal.claims import Away, Fate, Line
from lipsync_async.journal.entries import Entry
from lipsync_async.journal.record import Record, State
from lipsync_async.wire.credential import Credential
from lipsync_async.wire.identity import fingerprints
from tests import makers
from tests.journal.memory_table import MemoryTable, Row
from tests.loopback.hurried import hurry
from tests.machines.pods import HOLD, LEASE, SETTLE, Pods, pods


def requests(count: int) -> list[LipSyncRequest]:
    """Jobs with ids of their own."""
    return [makers.request(f"job-{number}", audio_id=f"82545176049956{number:04}") for number in range(count)]


async def left_by_the_dead(pods_: Pods, request: LipSyncRequest, *, sent_at: float = 1.7e9) -> None:
    """An intent of an owner whose lease is over."""
    fingerprint, core = fingerprints(request)
    assert request.external_task_id is not None
    credential = Credential("sandbox-key")
    await credential.headers()
    record = Record(
        request.external_task_id,
        fingerprint,
        State.OPEN,
        attempts=1,
        first_intent_at=sent_at,
        last_intent_at=sent_at,
        core=core,
        key=credential.mark(b"s" * 16),
    )
    pods_.table.leases["dead"] = (-1.0, LEASE)
    pods_.table.rows[request.external_task_id] = Row("dead", 1, 1, record)


def test_two_processes_with_one_list_pay_for_each_job_once_and_tell_all() -> None:
    """Who comes second waits, and tells what the first one got."""

    async def main() -> None:
        async with pods(latency=0.3) as world, world.pod() as (one, left), world.pod() as (two, right):
            first, second = await asyncio.gather(
                one.submit_many(requests(20), journal=left), two.submit_many(requests(20)[::-1], journal=right)
            )
            assert world.sandbox.ledger.tasks == 20
            assert {type(outcome) for outcome in (*first.values(), *second.values())} == {Accepted}
            ids = [{name: outcome.task_id for name, outcome in told.items()} for told in (first, second)]  # type: ignore[union-attr]
            assert ids[0] == ids[1]
            assert all(row.owner is None for row in world.table.rows.values())

    hurry(main())


class Stolen(MemoryTable):
    """Somebody takes one job over right after this owner has claimed it, and gets it accepted a little later."""

    async def claim(self, owner: str, ids: tuple[str, ...], step: int) -> dict[str, object]:  # type: ignore[override]  # noqa: D102
        claims = await super().claim(owner, ids, step)
        row = self.rows["job-3"]
        if row.owner == owner and row.fence == 1:
            row.owner, row.fence = "thief", 2
            self.leases["thief"] = (self.now() + LEASE, LEASE)
            asyncio.get_running_loop().call_later(2.5, self._accept, row)
        return claims  # type: ignore[return-value]

    def _accept(self, row: Row) -> None:
        row.record = Record("job-3", b"", State.ACCEPTED, task_id="of-the-thief", core=fingerprints(requests(4)[3])[1])
        row.owner = None


def test_a_claim_that_is_lost_is_the_fate_of_its_job_and_of_no_other() -> None:
    """It is told what the other one got; the run goes on."""

    async def main() -> None:
        async with pods() as world:
            world.table = Stolen(now=world.table.now, up_since=-1e9)
            async with world.pod() as (client, journal):
                told = await client.submit_many(requests(8), journal=journal)
            stolen = told.pop("job-3") if isinstance(told, dict) else told["job-3"]
            assert isinstance(stolen, Accepted)
            assert (stolen.task_id, stolen.replayed) == ("of-the-thief", True)
            assert all(isinstance(outcome, Accepted) for outcome in told.values())
            assert world.sandbox.ledger.tasks == 7

    hurry(main())


def test_nothing_leaves_once_the_deadline_is_over_though_the_intent_is_written() -> None:
    """As where the process stood still in between; it is sent when the lease is renewed."""

    async def main() -> None:
        async with pods() as world, world.pod() as (client, journal):
            answers = [False, False]
            may_send: Callable[[], bool] = journal.may_send
            journal.may_send = lambda: answers.pop() if answers else may_send()  # type: ignore[method-assign]
            accepted = await client.submit(requests(1)[0], journal=journal)
            assert (accepted.attempts, world.sandbox.ledger.tasks, answers) == (1, 1, [])

    hurry(main())


@pytest.mark.parametrize("arrived", [True, False])
def test_what_a_dead_process_left_open_is_looked_up_and_not_missed_too_early(arrived: bool) -> None:
    """A task is adopted at once; absence is proven no earlier than hold time and settle time after the lease."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with pods() as world:
            request = requests(1)[0]
            async with world.pod() as (client, journal):
                if arrived:
                    await client.submit(request)
            await left_by_the_dead(world, request)
            began = loop.time()
            async with world.pod() as (client, journal):
                accepted = await client.submit(request, journal=journal)
            took = loop.time() - began
            assert (accepted.recovered, world.sandbox.ledger.tasks) == (arrived, 1)
            assert took < 1.0 if arrived else took >= HOLD + SETTLE

    hurry(main())


def test_a_run_that_is_stopped_does_not_say_that_anothers_job_is_unsent() -> None:
    """Another process may have sent it."""

    async def main() -> None:
        async with pods() as world, world.pod() as (client, journal):
            world.table.leases["other"] = (1e9, LEASE)
            world.table.rows["job-0"] = Row("other", 1, 1)
            asyncio.get_running_loop().call_later(2.0, client.stop)
            told = await client.submit_many(requests(1), journal=journal)
            assert isinstance(told["job-0"], Unknown)
            assert world.table.rows["job-0"].owner == "other"

    hurry(main())


def test_a_job_that_was_never_sent_is_nobodys_afterwards() -> None:
    """Else nobody could ever have it while this process lives."""

    async def main() -> None:
        async with pods(max_running_tasks=1, task_seconds=(1e6, 1e6)) as world, world.pod() as (client, journal):
            asyncio.get_running_loop().call_later(5.0, client.stop)
            told = await client.submit_many(requests(3), journal=journal)
            assert sum(isinstance(outcome, NotSent) for outcome in told.values()) == 2
            await asyncio.sleep(0.1)
            assert [row.owner for row in world.table.rows.values()] == [None] * 3

    hurry(main())


def test_a_rejected_job_is_told_again_and_nobodys() -> None:
    """It is claimed first, for it might be sent again."""

    async def main() -> None:
        async with pods() as world, world.pod() as (client, journal):
            request = requests(1)[0]
            fingerprint, core = fingerprints(request)
            record = Record("job-0", fingerprint, State.REJECTED, core=core, kind="invalid_request")
            world.table.rows["job-0"] = Row(None, 1, 1, record)
            told = await client.submit_many([request], journal=journal)
            assert isinstance(told["job-0"], Rejected)
            await asyncio.sleep(0.1)
            assert (world.table.rows["job-0"].owner, world.sandbox.ledger.tasks) == (None, 0)

    hurry(main())


def test_reconcile_looks_up_what_the_dead_left_and_waits_for_what_lives() -> None:
    """Nothing is sent."""

    async def main() -> None:
        async with pods() as world:
            made, missing, alive = requests(3)
            async with world.pod() as (client, journal):
                task = (await client.submit(made)).task_id
            for request in (made, missing, alive):
                await left_by_the_dead(world, request)
            world.table.rows["job-2"].owner = "alive"
            world.table.leases["alive"] = (1e9, LEASE)
            row = world.table.rows["job-2"]
            assert row.record is not None
            record = msgspec.structs.replace(row.record, state=State.ACCEPTED, task_id="9")
            asyncio.get_running_loop().call_later(3.0, setattr, row, "record", record)
            told = {}
            async with world.pod() as (client, journal), client.reconcile(journal) as outcomes:
                async for outcome in outcomes:
                    told[outcome.external_task_id] = outcome
            assert isinstance(told["job-0"], Accepted)
            assert told["job-0"].task_id == task
            assert isinstance(told["job-1"], NotSent)
            assert isinstance(told["job-2"], Accepted)
            assert world.sandbox.ledger.tasks == 1

    hurry(main())


class Failing(MemoryTable):
    """Answers nothing from a moment on."""

    away = False

    async def write(self, owner: str, lines: tuple[Line, ...]) -> list[Fate]:  # noqa: D102
        if self.away:
            raise Away("it is gone")
        return await super().write(owner, lines)

    async def keep(self, kept: tuple[Entry, ...]) -> None:  # noqa: D102
        if self.away:
            raise Away("it is gone")
        await super().keep(kept)


@pytest.mark.parametrize("seconds", [40.0, 80.0])
def test_while_the_server_is_away_nothing_is_sent_and_after_its_patience_the_run_ends(seconds: float) -> None:
    """Within it the job waits and is sent."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with pods() as world:
            table = Failing(now=loop.time, up_since=-1e9)
            async with world.pod(world.journal(table)) as (client, journal):
                table.away = True
                loop.call_later(seconds, setattr, table, "away", False)
                if seconds < 60.0:
                    assert (await client.submit(requests(1)[0], journal=journal)).attempts == 1
                    return
                with pytest.raises(NotSentError, match="has not answered for"):
                    await client.submit(requests(1)[0], journal=journal)
                assert world.sandbox.ledger.tasks == 0
                errors: list[JournalError | None] = []
                journal.keep(Entry(kind="task", name="x", state="", value=b""), errors.append)
                assert isinstance(errors[0], JournalError)
                with pytest.raises(JournalError):
                    await journal.take("another")

    hurry(main())


def test_an_intent_that_is_late_renews_the_lease_and_is_written() -> None:
    """It is no lost claim."""

    async def main() -> None:
        async with pods() as world, world.pod() as (_, journal):
            await journal.take("job-0")
            world.table.leases[journal.owner] = (0.0, LEASE)
            await journal.write(Record("job-0", b"", State.OPEN))
            row = world.table.rows["job-0"]
            assert row.record is not None
            assert world.table.leases[journal.owner][0] > world.table.now()

    hurry(main())


def test_who_is_cancelled_while_it_claims_holds_nothing() -> None:
    """The claim comes, and is given back."""

    async def main() -> None:
        async with pods() as world, world.pod() as (_, journal):
            waiting = asyncio.ensure_future(journal.take("job-0"))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.sleep(0.1)
            row = world.table.rows["job-0"]
            assert (row.owner, row.fence) == (None, 1)

    hurry(main())


def test_without_a_claim_only_an_acceptance_is_written() -> None:
    """It was paid for, whoever has the job by now."""

    async def main() -> None:
        async with pods() as world, world.pod() as (_, journal):
            with pytest.raises(ClaimLostError):
                await journal.write(Record("job-0", b"", State.OPEN))
            world.table.rows["job-0"] = Row("other", 4, 1)
            await journal.write(Record("job-0", b"", State.ACCEPTED, task_id="1"))
            row = world.table.rows["job-0"]
            assert row.record is not None
            assert row.record.task_id == "1"

    hurry(main())
