"""A journal's URL, and a reader in PostgreSQL beside one of a file."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import Limits
from lipsync_async.dispatch import pacebook
from lipsync_async.dispatch.pacebook import watch
from lipsync_async.errors import ClaimLostError, JournalError
from lipsync_async.journal import AnyReader, Entry, Record, State, Try, is_url, open_journal, open_reader, settle
from lipsync_async.journal.claims import LEASE
from lipsync_async.journal.postgres import opening
from lipsync_async.journal.postgres.opening import read_url
from lipsync_async.report.gathering import gather
from lipsync_async.terms import Kind
from tests import postgres
from tests.dispatch.helpers import MADE, Wire, account_at

GATEWAY = "https://gateway.example"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a database."""
    if not postgres.is_there():
        pytest.skip(postgres.MISSING)
    with postgres.Postgres() as server:
        yield server.url


def test_a_url_is_read_and_shown_without_its_password() -> None:
    """What is ours is taken out of it; the rest is the driver's."""
    address = read_url("postgresql://app:s%3Acret@db:5433/app?lease=7&sslmode=require&account=b&password=hidden")
    assert address.url == "postgresql://app:s%3Acret@db:5433/app?sslmode=require&password=hidden"
    assert (address.lease, address.account, address.gateway) == (7.0, "b", "")
    assert "cret" not in address.name
    assert "hidden" not in address.name
    assert address.name.startswith("postgresql://app@db:5433/app?")
    assert read_url("postgresql://db/app").lease == LEASE
    assert dict(read_url("postgresql://db/app?statement_cache_size=0").options) == {"statement_cache_size": 0}


@pytest.mark.parametrize("query", ["lease=soon", "lease=0", "max_outage=-1", "statement_cache_size=x"])
def test_an_option_that_says_nothing_is_refused(query: str) -> None:
    """Before anything is asked."""
    with pytest.raises(JournalError):
        read_url(f"postgresql://db/app?{query}")


def test_only_a_url_is_one() -> None:
    """Any other name is a path."""
    assert is_url("postgresql://db/app")
    assert is_url("postgres://db/app")
    assert not is_url("run.db")
    assert not is_url(Path("postgresql/run.db"))


RECORDS = [
    Record("a", b"1", State.ACCEPTED, 1, 0, 1.5, 2.5, 7, b"core", b"key", task_id="1", history=(Try(1, 2.0, "sent"),)),
    Record("b", b"2", State.OPEN, 1, code=1303),
    Record("c", b"3", State.UNKNOWN, 2, code="busy", ended_at=4.5, message="ü"),
    Record("d", b"4", State.REJECTED, owned=True, recovered=True),
    Record("e", b"5", State.CLEARED),
    Record("f", b"6", State.NOT_SENT, kind="connection", phase="connecting"),
]


async def fill(place: str) -> None:
    """The same into whichever."""
    async with await open_journal(place, gateway=GATEWAY, account="studio") as journal:
        for record in RECORDS:
            if journal.needs_claims:
                await journal.take(record.external_task_id)
            await journal.write(record)
        for name, state in (("a", "succeeded"), ("b", "failed"), ("a", "lost")):
            kept = asyncio.Event()
            journal.keep(Entry(kind="task", name=name, state=state, value=b"\x00v"), lambda _, kept=kept: kept.set())  # type: ignore[misc]
            await kept.wait()
        await journal.remember("n", "1")
        await journal.remember("n", "2")
        await journal.remember_list("digest", 6)


def seen(reader: AnyReader) -> list[Any]:
    """All that can be read."""
    return [
        reader.gateway,
        reader.account,
        reader.is_empty(),
        list(reader.records()),
        [list(reader.records(state)) for state in State],
        sorted(reader.settled_ids()),
        reader.counts(),
        reader.recall("c"),
        reader.recall("nobody"),
        reader.entry("task", "a"),
        reader.entry("task", "z"),
        list(reader.entries("task")),
        reader.entries_of("task", ["a", "z"]),
        reader.entries_of("task", []),
        reader.entry_counts("task"),
        reader.note("n"),
        reader.note("m"),
        reader.knows_list("digest"),
        reader.knows_list("other"),
        reader.list_lengths(),
        len(reader.salt),
        len(reader.journal_id),
    ]


def test_a_database_is_read_as_a_file_is(url: str, tmp_path: Path) -> None:
    """Every method of a reader brings the same."""
    places = [f"{url}?account=studio", str(tmp_path / "run.db")]
    for place in places:
        asyncio.run(fill(place))
    readers = [open_reader(place) for place in places]
    try:
        assert seen(readers[0]) == seen(readers[1])
    finally:
        for reader in readers:
            reader.close()
            reader.close()
    found = settle(places[0], "c", task_id="77")
    assert (found.state, found.task_id) == (State.ACCEPTED, "77")
    with pytest.raises(JournalError, match="not in doubt"):
        settle(places[0], "c", task_id=None)
    with pytest.raises(JournalError, match="holds no job"):
        settle(places[0], "nobody", task_id=None)


def test_of_several_journals_one_is_named(url: str) -> None:
    """And where there is none, that is said."""

    async def make(account: str) -> None:
        async with await open_journal(url, gateway=GATEWAY, account=account) as journal:
            await journal.take("x")
            await journal.write(Record("x", account.encode(), State.OPEN))

    for account in ("one", "two"):
        asyncio.run(make(account))
    with pytest.raises(JournalError, match="several journals"):
        open_reader(url)
    with open_reader(url, gateway=GATEWAY, account="two") as reader:
        record = reader.recall("x")
        assert record is not None
        assert record.fingerprint == b"two"
    with pytest.raises(JournalError, match="there is no journal"):
        open_reader(f"{url}?account=three")


def test_a_job_of_another_process_is_not_settled(url: str) -> None:
    """It may be under way."""

    async def main() -> None:
        async with await open_journal(url, gateway=GATEWAY, account="held") as journal:
            await journal.take("x")
            await journal.write(Record("x", b"", State.OPEN))
            with pytest.raises(JournalError, match="under way in another process"):
                await asyncio.to_thread(settle, f"{url}?account=held", "x", task_id=None)
            with pytest.raises(ClaimLostError):
                await journal.write(Record("y", b"", State.OPEN))

    asyncio.run(main())


def test_a_server_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries, for it may be about to come up."""
    monkeypatch.setattr(opening, "OPENING", 0.0)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        with pytest.raises(JournalError, match="cannot be reached"):
            asyncio.run(open_journal(f"postgresql://u@127.0.0.1:{port}/db", gateway=GATEWAY))


def test_tables_of_a_version_to_come_are_refused(url: str) -> None:
    """Nothing is written to what is not understood."""

    async def main() -> None:
        import asyncpg

        async with await open_journal(url, gateway=GATEWAY, account="newer"):
            pass
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE lipsync_schema SET version = 99")
        try:
            with pytest.raises(JournalError, match="another version"):
                await open_journal(url, gateway=GATEWAY, account="newer")
        finally:
            await connection.execute("UPDATE lipsync_schema SET version = 1")
            await connection.close()

    asyncio.run(main())


def test_what_the_pacers_of_several_processes_learned(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its line, however often it opens the journal, and a report reads them all."""
    monkeypatch.setattr(pacebook, "_processes", {})
    monkeypatch.setattr(pacebook, "_shared", {})

    async def run(place: str, process: int) -> None:
        monkeypatch.setattr("os.getpid", lambda: process)
        async with await open_journal(place, gateway=GATEWAY, account="paces") as journal:
            account = account_at(Wire(MADE), limits=Limits(initial_per_second=40.0, max_running_tasks=9))
            book = watch(journal, account)
            account.pacer.admit(0.0)
            account.pacer.refused(0.1, 0.0, Kind.RATE, None)
            book.end()

    place = f"{url}?account=paces"
    for process in (1, 1, 2):
        asyncio.run(run(place, process))
    with open_reader(place) as reader:
        assert len(list(reader.entries(pacebook.PACES))) == 2
        facts = gather(reader)
    assert facts.paces.found is not None
    assert facts.paces.found < 40.0
    assert facts.paces.ceiling == 9
