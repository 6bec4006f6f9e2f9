"""A file is whole and in its place, or it is not there, and nothing else is."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.downloads import folder as rooms
from lipsync_async.downloads.folder import Folder, free_space, in_thread, move_into_place
from lipsync_async.downloads.names import mark_of, temporary_name


async def pieces(of: Iterable[bytes], fault: BaseException | None = None) -> AsyncIterator[bytes]:
    """Chunks as they come, and what goes wrong after them."""
    for piece in of:
        yield piece
    if fault is not None:
        raise fault


def put(where: Path, name: str, of: Iterable[bytes], fault: BaseException | None = None) -> str:
    """Puts one file."""
    return asyncio.run(Folder(where).put(name, pieces(of, fault)))


def there(where: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {it.name: it.read_bytes() for it in where.iterdir()}


def test_a_file_is_put(tmp_path: Path) -> None:
    """Into a folder that is made for it; its rights are those of any file."""
    where = tmp_path / "a" / "b"
    path = put(where, "x.mp4", [b"one", b"", b"two"])
    assert path == str(where / "x.mp4")
    assert there(where) == {"x.mp4": b"onetwo"}
    plain = tmp_path / "plain"
    plain.touch()
    assert (where / "x.mp4").stat().st_mode == plain.stat().st_mode


def test_it_has_its_name_only_at_the_end(tmp_path: Path) -> None:
    """Meanwhile there is a temporary file, which tells whose it is."""

    async def watched() -> AsyncIterator[bytes]:
        yield b"one"
        (temporary,) = there(tmp_path)
        assert temporary.startswith(f"x.mp4.{mark_of('me')}-")
        yield b"two"
        assert "x.mp4" not in there(tmp_path)

    asyncio.run(Folder(tmp_path, owner="me").put("x.mp4", watched()))
    assert there(tmp_path) == {"x.mp4": b"onetwo"}


@pytest.mark.parametrize("fault", [ValueError("cut"), OSError(errno.EIO, "x"), asyncio.CancelledError()])
def test_a_fault_leaves_nothing(tmp_path: Path, fault: BaseException) -> None:
    """It is raised as it was."""
    with pytest.raises(type(fault)):
        put(tmp_path, "x.mp4", [b"one"], fault)
    assert there(tmp_path) == {}


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "/etc/x", "a\\b"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """Nothing is written anywhere."""
    with pytest.raises(ValueError, match="no path"):
        put(tmp_path, name, [b"one"])
    assert there(tmp_path) == {}


def test_another_file_of_that_name_stays(tmp_path: Path) -> None:
    """And the error says what to do; a folder or a link of that name stays as well."""
    (tmp_path / "x.mp4").write_bytes(b"somebody's")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "same.mp4").symlink_to(tmp_path / "x.mp4")
    for name, content in (("x", b"ours"), ("folder", b"ours"), ("link", b"ours"), ("same", b"somebody's")):
        with pytest.raises(FileExistsError, match="move it away"):
            put(tmp_path, f"{name}.mp4", [content])
    assert sorted(it.name for it in tmp_path.iterdir()) == ["folder.mp4", "link.mp4", "same.mp4", "x.mp4"]
    assert (tmp_path / "x.mp4").read_bytes() == b"somebody's"
    assert not (tmp_path / "nowhere").exists()


def test_the_same_file_is_as_good(tmp_path: Path) -> None:
    """An earlier run put it there and died before it could say so."""
    for _ in range(2):
        assert put(tmp_path, "x.mp4", [b"one"]) == str(tmp_path / "x.mp4")
    assert there(tmp_path) == {"x.mp4": b"one"}


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on FAT: it is renamed, and still overwrites nothing."""

    def no_links(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    put(tmp_path, "x.mp4", [b"one"])
    put(tmp_path, "x.mp4", [b"one"])
    with pytest.raises(FileExistsError):
        put(tmp_path, "x.mp4", [b"two"])
    assert there(tmp_path) == {"x.mp4": b"one"}


def test_moving_never_overwrites(tmp_path: Path) -> None:
    """Not even an empty file."""
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").touch()
    with pytest.raises(FileExistsError):
        move_into_place(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str) -> None:
    """Nothing is left, and the reason is the disk's."""

    def fail(*_: Any) -> int:
        raise OSError(code, "the disk")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="the disk") as caught:
        put(tmp_path, "x.mp4", [b"one"])
    assert caught.value.errno == code
    assert there(tmp_path) == {}
    assert not rooms._open_now


def test_a_disk_that_takes_a_little_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short writes are gone on with."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, bytes(data)[:2]))
    put(tmp_path, "x.mp4", [b"abcde"])
    assert there(tmp_path) == {"x.mp4": b"abcde"}


def test_left_overs_are_swept(tmp_path: Path) -> None:
    """Those of this owner, but for what is being written; nobody else's, and no video."""
    mine, theirs = mark_of("me"), mark_of("you")
    kept = {temporary_name("a.mp4", theirs, "0" * 8), "b.mp4", "notes.part"}
    for name in [*kept, temporary_name("a.mp4", mine, "0" * 8), temporary_name("b.mp4", mine, "1" * 8)]:
        (tmp_path / name).touch()
    (tmp_path / temporary_name("c.mp4", mine, "2" * 8)).mkdir()

    async def main() -> None:
        async def sweeping() -> AsyncIterator[bytes]:
            yield b"one"
            assert await Folder(tmp_path, owner="me").sweep() == 2
            assert await Folder(tmp_path).sweep() == 0
            yield b"two"

        await Folder(tmp_path, owner="me").put("x.mp4", sweeping())
        assert await Folder(tmp_path / "not there", owner="me").sweep() == 0

    asyncio.run(main())
    assert (tmp_path / "x.mp4").read_bytes() == b"onetwo"
    assert {it.name for it in tmp_path.iterdir() if it.is_file()} == kept | {"x.mp4"}


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    """Leaves a temporary file and no video; the next run of the same owner sweeps it, and another one's does not."""
    code = f"""
import asyncio, os, signal
from lipsync_async.downloads.folder import Folder
async def chunks():
    yield b"one"
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(Folder({str(tmp_path)!r}, owner="me").put("x.mp4", chunks()))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2], timeout=60)
    assert done.returncode == -signal.SIGKILL
    (left,) = there(tmp_path)
    assert left.endswith(".part")
    assert asyncio.run(Folder(tmp_path, owner="you").sweep()) == 0
    assert asyncio.run(Folder(tmp_path, owner="me").sweep()) == 1
    assert there(tmp_path) == {}


@pytest.mark.parametrize(("call", "left"), [("open", {}), ("write", {}), ("fsync", {"x.mp4": b"one"})])
def test_a_cancelled_put_waits_for_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, left: dict[str, bytes]
) -> None:
    """Nothing happens after it has left; what was on its way into place is whole."""
    real, order = getattr(os, call), []

    async def main() -> None:
        loop, begun, go = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

        def slow(*given: Any) -> Any:
            if not go.is_set():
                loop.call_soon_threadsafe(begun.set)
                asyncio.run_coroutine_threadsafe(go.wait(), loop).result()
                order.append("done")
            return real(*given)

        monkeypatch.setattr(os, call, slow)
        task = asyncio.create_task(Folder(tmp_path).put("x.mp4", pieces([b"one"])))
        await begun.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        order.append("left")

    asyncio.run(main())
    assert order == ["done", "left"]
    assert there(tmp_path) == left
    assert not rooms._open_now


def test_what_a_thread_raises_is_raised() -> None:
    """And what it returns, returned."""

    def fail() -> None:
        raise KeyError("x")

    async def main() -> None:
        assert await in_thread(lambda: 7) == 7
        with pytest.raises(KeyError):
            await in_thread(fail)

    asyncio.run(main())


def test_free_space(tmp_path: Path) -> None:
    """Also of a folder that is not there yet."""
    here = free_space(tmp_path)
    assert here > 0
    assert abs(free_space(tmp_path / "a" / "b") - here) < here / 2
    assert asyncio.run(Folder(tmp_path / "c").free_space()) > 0
    assert not (tmp_path / "c").exists()
