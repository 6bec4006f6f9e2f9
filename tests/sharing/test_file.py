"""The store in a file: one book for all who open it, and nobody waits for a lock in the way of the loop."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from lipsync_async.sharing import file
from lipsync_async.sharing.file import NAME, FileLimits
from lipsync_async.sharing.protocol import StoreAwayError
from tests.sharing.saying import say


def test_two_who_open_the_same_file_have_one_book(tmp_path: Path) -> None:
    """The second sees that the first holds a turn; another account has a book of its own."""

    async def story() -> None:
        one, two = (FileLimits(tmp_path / "limits", "a") for _ in range(2))
        other = FileLimits(tmp_path / "limits", "b")
        assert (await one.exchange(say("m1", 1, 1))).turns
        grant = await two.exchange(say("m2", 1, 1))
        assert grant.members == 2
        assert (await other.exchange(say("m1", 1, 1))).members == 1
        for store in (one, two, other):
            await store.aclose()

    asyncio.run(story())


def test_a_folder_gets_a_file_and_a_path_its_folders(tmp_path: Path) -> None:
    """Both are usual for /run/lipsync."""

    async def story() -> None:
        for path in (tmp_path, tmp_path / "new" / "limits"):
            store = FileLimits(path, "a")
            await store.exchange(say("m", 1))
            await store.aclose()

    asyncio.run(story())
    assert (tmp_path / NAME).is_file()
    assert (tmp_path / "new" / "limits").is_file()


def test_the_limits_of_another_boot_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock was another one."""

    async def members() -> int:
        store = FileLimits(tmp_path, "a")
        grant = await store.exchange(say("m2", 1, 1))
        await store.aclose()
        return grant.members

    async def story() -> None:
        store = FileLimits(tmp_path, "a")
        await store.exchange(say("m1", 1, 1))
        await store.aclose()
        assert await members() == 2
        monkeypatch.setattr(file, "boot", lambda: "another")
        assert await members() == 1

    asyncio.run(story())


def test_a_lock_that_is_held_for_long_means_that_the_store_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process was frozen inside of an exchange; when it goes on, so does the store."""
    monkeypatch.setattr(file, "LONGEST", 0.0)

    async def story() -> None:
        store = FileLimits(tmp_path, "a")
        await store.exchange(say("m", 1))
        frozen = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        frozen.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreAwayError, match="locked"):
            await store.exchange(say("m", 2))
        frozen.execute("ROLLBACK")
        frozen.close()
        assert (await store.exchange(say("m", 2))).number == 2
        await store.aclose()

    asyncio.run(story())


@pytest.mark.parametrize("what", ["rubbish", "folder"])
def test_a_file_that_is_none_of_ours_is_no_store(tmp_path: Path, what: str) -> None:
    """It is left as it is."""
    path = tmp_path / "taken"
    if what == "rubbish":
        path.write_bytes(b"something else" * 100)
    else:
        (path / NAME).mkdir(parents=True)

    async def story() -> None:
        with pytest.raises(StoreAwayError):
            await FileLimits(path, "a").exchange(say("m", 1))

    asyncio.run(story())
    assert what == "folder" or path.read_bytes() == b"something else" * 100
