"""The small video, and the files that are made of it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lipsync_async.sandbox as package
from lipsync_async.sandbox.video import clip, video_of

FOLDER = Path(package.__file__).parent / "clip"


def boxes(data: bytes) -> list[tuple[bytes, int]]:
    """The outermost boxes of an ISO file, with their sizes."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        assert 8 <= size <= len(data) - at
        found.append((data[at + 4 : at + 8], size))
        at += size
    return found


def test_the_clip_is_small_and_begins_to_play_at_once() -> None:
    """At most 30 KB; its index comes before its content; a picture that browsers decode, and a sound."""
    data = clip()
    assert len(data) <= 30_000
    kinds = [kind for kind, _ in boxes(data)]
    assert kinds[:2] == [b"ftyp", b"moov"]
    assert b"mdat" in kinds
    assert all(word in data for word in (b"avc1", b"mp4a", b"vide", b"soun"))


@given(st.text("0123456789", min_size=1, max_size=18), st.integers(0, 200_000), st.integers(0, 1))
def test_a_file_is_the_clip_and_a_box_that_players_skip(task_id: str, least: int, edition: int) -> None:
    """Whole boxes, the last a `free` one with the task's id in it, of at least the size that was asked for."""
    video = video_of(task_id, least, edition)
    data = video.read()
    assert len(data) == video.size == max(least + edition, video_of(task_id, 0, edition).size)
    assert data.startswith(clip())
    assert boxes(data)[:-1] == boxes(clip())
    assert boxes(data)[-1][0] == b"free"
    assert f"task {task_id} edition {edition}".encode() in data[len(clip()) :]
    assert video.sha256() == hashlib.sha256(data).hexdigest()
    assert re.fullmatch(r'"[0-9a-f]{24}"', video.etag)


@given(st.integers(0, 60_000), st.integers(-10, 70_000), st.integers(0, 70_000))
def test_a_part_is_the_slice_of_the_whole(least: int, start: int, length: int) -> None:
    """Wherever it begins and ends, also behind the end."""
    video = video_of("1", least)
    start = max(0, start)
    assert video.read(start, start + length) == video.read()[start : start + length]


def test_each_task_and_edition_has_a_file_of_its_own() -> None:
    """Another task: other bytes; another edition: another length and ETag as well; the same again: the same."""
    first, task, edition = video_of("1"), video_of("2"), video_of("1", edition=1)
    assert first == video_of("1")
    assert first.etag != task.etag
    assert first.read() != task.read()
    assert (first.size, first.etag) != (edition.size, edition.etag)
    assert first.size != edition.size
    for least in (30_000, 100_000):
        assert video_of("1", least).size != video_of("1", least, edition=1).size


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg to make it")
def test_the_command_beside_it_makes_it(tmp_path: Path) -> None:
    """What the README beside the video says still makes such a video: same streams, about the same size."""
    (command,) = re.findall(r"```sh\n(.*?)```", (FOLDER / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    quiet = command.replace("ffmpeg ", "ffmpeg -v error ", 1)
    subprocess.run(["bash", "-ec", quiet], cwd=tmp_path, check=True, timeout=120, stdin=subprocess.DEVNULL)
    made = (tmp_path / "video.mp4").read_bytes()
    assert [kind for kind, _ in boxes(made)] == [kind for kind, _ in boxes(clip())]
    assert 0.7 < len(made) / len(clip()) < 1.4
