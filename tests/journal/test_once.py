"""One open journal for all who use its path at once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lipsync_async.errors import JournalError
from lipsync_async.journal import AnyJournal, Journal, State, once
from tests.journal.helpers import GATEWAY, job, join_threads, open_store


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test of these leaves a journal in the register; one whose loop was closed too early may be there before."""
    before = list(once._entries)
    yield
    assert [entry for entry in once._entries if entry not in before] == []


def test_users_at_the_same_time_share_one_journal(path: Path) -> None:
    """A hundred requests open it once; the last one to leave closes it, and the next opens it anew."""

    async def request(number: int) -> AnyJournal:
        async with Journal.shared(path, gateway=GATEWAY) as journal:
            await journal.write(job(f"job-{number}"))
            return journal

    async def main() -> None:
        journals = await asyncio.gather(*map(request, range(100)))
        assert len(set(map(id, journals))) == 1
        assert await request(100) is not journals[0]

    asyncio.run(main())
    join_threads()
    with open_store(path) as store:
        assert store.counts()[State.OPEN] == 101


def test_names_of_one_file_share_one_journal(path: Path) -> None:
    """A relative path, a symbolic link and a hard link are the journal itself."""
    names: list[str | Path] = [os.path.relpath(path), path.with_name("symlink.db"), path.with_name("link.db")]
    open_store(path).close()
    path.with_name("symlink.db").symlink_to(path)
    path.with_name("link.db").hardlink_to(path)

    async def main() -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(Journal.shared(path, gateway=GATEWAY))
            for name in names:
                assert await stack.enter_async_context(Journal.shared(name, gateway=GATEWAY)) is first

    asyncio.run(main())


def test_another_gateway_or_account_is_refused(path: Path) -> None:
    """As by a journal that is opened alone; the users it has go on."""

    async def main() -> None:
        async with Journal.shared(path, gateway=GATEWAY) as journal:
            with pytest.raises(JournalError, match="belongs to the gateway"):
                async with Journal.shared(path, gateway=GATEWAY, account="other"):
                    pass
            await journal.write(job("a"))

    asyncio.run(main())


def test_another_event_loop_is_refused(path: Path) -> None:
    """A journal belongs to one loop; when its users have left, another loop may have it."""

    async def use() -> None:
        async with Journal.shared(path, gateway=GATEWAY) as journal:
            await journal.write(job("a"))

    def elsewhere(found: list[BaseException]) -> None:
        try:
            asyncio.run(use())
        except JournalError as error:
            found.append(error)

    async def main() -> None:
        async with Journal.shared(path, gateway=GATEWAY):
            await asyncio.to_thread(elsewhere, found)

    found: list[BaseException] = []
    asyncio.run(main())
    assert "in use by another event loop" in str(found.pop())
    elsewhere(found)
    assert not found


def test_a_user_that_is_cancelled_while_it_opens_disturbs_nobody(path: Path) -> None:
    """The others get the journal; where nobody is left it is closed again."""

    async def use() -> None:
        async with Journal.shared(path, gateway=GATEWAY) as journal:
            await journal.write(job("a"))

    async def main() -> None:
        for others in (1, 0):
            first = asyncio.ensure_future(use())
            rest = [asyncio.ensure_future(use()) for _ in range(others)]
            await asyncio.sleep(0)
            first.cancel()
            results = await asyncio.gather(first, *rest, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError, type(None)][: 1 + others]

    asyncio.run(main())
    join_threads()
    open_store(path).close()


def test_a_newcomer_waits_for_the_closing(path: Path) -> None:
    """It neither gets a closed journal nor is told that the file is in use."""

    async def main() -> None:
        for _ in range(20):
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(Journal.shared(path, gateway=GATEWAY))
                leaving = asyncio.ensure_future(stack.pop_all().aclose())
            await asyncio.sleep(0)
            async with Journal.shared(path, gateway=GATEWAY) as journal:
                await journal.write(job("a"))
            await leaving

    asyncio.run(main())


def test_what_cannot_be_opened_is_told_to_all(tmp_path: Path) -> None:
    """Each gets an error of its own, and the path is free afterwards."""
    path = tmp_path / "none" / "run.db"

    async def use() -> None:
        async with Journal.shared(path, gateway=GATEWAY):
            pass

    async def main() -> None:
        results = await asyncio.gather(use(), use(), return_exceptions=True)
        assert all("does not exist" in str(result) for result in results)
        assert results[0] is not results[1]
        path.parent.mkdir()
        await use()

    asyncio.run(main())


def test_a_broken_journal_takes_nobody_new(path: Path) -> None:
    """Once its users have left it is opened anew."""

    async def main() -> None:
        async with Journal.shared(path, gateway=GATEWAY) as journal:
            journal.failed = JournalError("no space left")
            with pytest.raises(JournalError, match="no space left"):
                async with Journal.shared(path, gateway=GATEWAY):
                    pass
        async with Journal.shared(path, gateway=GATEWAY) as journal:
            await journal.write(job("a"))

    asyncio.run(main())


def test_a_loop_that_was_closed_too_early_leaves_the_path_free(path: Path) -> None:
    """Its journal is let go, whatever became of its users."""
    loop = asyncio.new_event_loop()
    forgotten = Journal.shared(path, gateway=GATEWAY)
    loop.run_until_complete(forgotten.__aenter__())
    loop.close()

    async def main() -> None:
        async with Journal.shared(path, gateway=GATEWAY) as journal:
            await journal.write(job("a"))

    asyncio.run(main())
    assert threading.active_count() >= 1
    del forgotten
