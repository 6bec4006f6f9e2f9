"""What PostgreSQL says no with: plain words with a cure, and never a password."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator

import asyncpg
import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import open_journal, open_reader, without_password
from lipsync_async.journal.postgres import opening, reader
from lipsync_async.journal.postgres.refusals import away, refused
from tests import postgres

SECRET = "sekret"
REFUSED = "the user or the password is refused"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Host and port of one that wants a password of the user `strict`, and gives `poor` no rights."""
    psql = postgres.find("psql")
    if not postgres.is_there() or psql is None:
        pytest.skip(postgres.MISSING)
    made = (
        "CREATE ROLE strict LOGIN PASSWORD 'right'",
        "CREATE ROLE poor LOGIN",
        "REVOKE ALL ON SCHEMA public FROM public",
    )
    with postgres.Postgres() as running:
        for command in made:
            subprocess.run([psql, running.url, "-qc", command], check=True)
        rules = running.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all strict 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        running.stop()
        running.start()
        yield f"127.0.0.1:{running.port}"


def free_port() -> int:
    """Nobody listens there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def said(url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """By who writes the journal, and by who reads it."""
    monkeypatch.setattr(opening, "OPENING", 0.0)
    monkeypatch.setattr(reader, "OUTAGE", 0.0)
    with pytest.raises(JournalError) as writing:
        asyncio.run(open_journal(url, gateway="https://gateway.example"))
    with pytest.raises(JournalError) as reading:
        open_reader(url)
    return str(writing.value), str(reading.value)


@pytest.mark.parametrize(
    ("user", "database", "words"),
    [
        ("strict", "postgres", REFUSED),
        ("nobody", "postgres", REFUSED),
        ("lipsync", "gone", "there is no database gone on that server: make it first, with createdb"),
    ],
)
def test_a_server_that_says_no_is_told_with_the_cure(
    server: str, user: str, database: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To who writes and to who reads."""
    for told in said(f"postgresql://{user}:{SECRET}@{server}/{database}", monkeypatch):
        assert told.startswith(f"the journal postgresql://{user}@{server}/{database}: {words}")
        assert SECRET not in told


def test_a_user_without_rights_is_told_which(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be granted."""
    told, _ = said(f"postgresql://poor@{server}/postgres", monkeypatch)
    assert "grant it USAGE and CREATE on the schema" in told


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("127.0.0.1:{port}", "connection refused; is PostgreSQL running there?"),
        ("127.0.0.1:{port}x", "write the URL as postgresql://user:password@host:5432/database"),
        ("[127.0.0.1", "write the URL as postgresql://user:password@host:5432/database"),
    ],
)
def test_a_server_that_is_not_there_is_told_plainly(place: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a number of the system's, and without what only its driver understands."""
    for told in said(f"postgresql://u:{SECRET}@{place.format(port=free_port())}/db", monkeypatch):
        assert words in told
        assert "Errno" not in told
        assert SECRET not in told


def test_each_trouble_has_its_words() -> None:
    """As asyncpg raises it."""
    assert away(TimeoutError()) == "it did not answer in time"
    assert away(ConnectionError('PostgreSQL server at "h:1" rejected SSL upgrade')).startswith("there is no TLS there")
    assert away(asyncpg.InterfaceError("closed")) == "closed"
    rights = asyncpg.exceptions.InsufficientPrivilegeError("permission denied for table x")
    assert refused(rights, "").endswith("CREATE on the schema [permission denied for table x]")
    assert refused(asyncpg.exceptions.DivisionByZeroError("odd"), "") == "odd"
    assert "no database of this name" in refused(asyncpg.exceptions.InvalidCatalogNameError("x"), "postgresql://h")


@pytest.mark.parametrize(
    "password", ["plain", "a:b", "a/b", "a?b", "a/b?c", "a@b", "a[b", "12", "a/?b@c", "a b", "a\tb/?c\nd"]
)
def test_no_password_is_shown_however_it_was_written(password: str) -> None:
    """Also where a URL cannot have it so."""
    shown = without_password(f"postgresql://me:{password}@db:5433/app?lease=7")
    assert shown == "postgresql://me@db:5433/app?lease=7"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db:5433/app?application_name=a@b",
        "postgresql://one:1,two:2/app?application_name=a@b",
        "postgresql://me@db/app",
        "postgresql:///app?host=/run",
    ],
)
def test_where_there_is_no_password_all_is_shown(url: str) -> None:
    """Ports and options are none."""
    assert without_password(url) == url
