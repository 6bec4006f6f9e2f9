"""The endings of a journal: as they were, whatever the gateway said, and nothing that a later version wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.endings import (
    Downloaded,
    DownloadFailed,
    DownloadKind,
    Ended,
    FailureKind,
    Succeeded,
    TaskFailed,
    TaskLost,
    TaskState,
    Video,
)
from lipsync_async.journal import Entry, InlineJournal, Store
from lipsync_async.tasks.learning import Lesson
from lipsync_async.tasks.taskbook import LONGEST_URL, Taskbook, read_download, read_ending, to_entry
from lipsync_async.tasks.ties import TASK

texts = st.text(max_size=40)
numbers = st.none() | st.floats(0, 1e9)
videos = st.lists(st.builds(Video, url=texts, watermark_url=st.none() | texts, seconds=numbers), max_size=2).map(tuple)
endings = st.one_of(
    st.builds(Succeeded, task_id=texts, videos=videos, seconds=numbers, units=st.none() | texts, ended_at=numbers),
    st.builds(TaskFailed, task_id=texts, kind=st.sampled_from(FailureKind), reason=texts, units=st.none() | texts),
    st.builds(TaskLost, task_id=texts, estimated_units=numbers),
)


@pytest.fixture
def book() -> Iterator[Taskbook]:
    """One in memory."""
    store = Store(":memory:", gateway="http://127.0.0.1:1")
    yield Taskbook(InlineJournal(store))
    store.close()


@given(endings)
def test_an_ending_is_told_again_as_it_was(ending: Ended) -> None:
    """All but what one look told beside it."""
    read = read_ending(to_entry(ending, "job"))
    assert read is not None
    assert read.external_task_id == "job"
    for name in ("name", "task_id", "kind", "reason", "videos", "seconds", "units", "ended_at", "estimated_units"):
        assert getattr(read, name, None) == getattr(ending, name, None)


def test_half_a_character_is_kept_as_an_escape() -> None:
    """A gateway may say anything."""
    ending = TaskFailed(task_id="t", kind=FailureKind.MEDIA, reason="\ud800")
    read = read_ending(to_entry(ending, "job"))
    assert isinstance(read, TaskFailed)
    assert read.reason == "\\ud800"


@pytest.mark.parametrize(("length", "kept"), [(LONGEST_URL, 1), (LONGEST_URL + 1, 0)])
def test_a_url_that_is_the_video_itself_is_asked_for_again(length: int, kept: int) -> None:
    """A journal is no place for videos."""
    read = read_ending(to_entry(Succeeded(task_id="t", videos=(Video(url="d" * length),)), "job"))
    assert isinstance(read, Succeeded)
    assert len(read.videos) == kept


@pytest.mark.parametrize(
    ("state", "value"),
    [
        ("paused", b'{"task_id":"t"}'),
        ("succeeded", b"{}"),
        ("failed", b'{"task_id":"t","kind":"to come"}'),
        ("lost", b"x"),
    ],
)
def test_what_a_later_version_wrote_is_asked_for_again(state: str, value: bytes) -> None:
    """It is no ending that this version knows."""
    assert read_ending(Entry(kind=TASK, name="job", state=state, value=value)) is None


def test_an_ending_is_that_of_the_very_task(book: Taskbook) -> None:
    """A job that got another task since has not ended; nor has one whose id is not known."""
    told: list[int] = []
    ending = Succeeded(task_id="t", state=TaskState(task_id="t"))
    book.settle(ending, "job", lambda: told.append(1))
    assert told == [1]
    assert book.ending("job", "t") == Succeeded(task_id="t", external_task_id="job")
    assert book.ending("job", "another") is None
    assert book.ending("other", "t") is None
    assert book.ending(None, "t") is None


@pytest.mark.parametrize(
    "found",
    [
        Downloaded(external_task_id="job", task_id="t", path="/videos/job.mp4", size=7, tries=2),
        DownloadFailed(external_task_id="job", task_id="t", kind=DownloadKind.STORAGE, message="\ud800"),
    ],
)
def test_what_became_of_a_video_is_told_again(found: Downloaded | DownloadFailed, book: Taskbook) -> None:
    """For that task alone."""
    book.keep_download(found, "job", lambda: None)
    read = book.download("job", "t")
    assert read is not None
    assert (read.name, read.task_id) == (found.name, "t")
    assert book.download("job", "another") is None
    assert list(book.fetched()) == ["job"]
    assert read_download(Entry(kind="video", name="job", state="to come", value=b"{}")) is None


def test_what_was_learned_is_kept(book: Taskbook) -> None:
    """The last of it; and nothing is nothing."""
    assert book.lessons() == []
    book.remember([])
    book.remember([Lesson(120.0, 5.0), Lesson(90.0, None, 60.0, 100.0)])
    assert book.lessons() == [Lesson(120.0, 5.0), Lesson(90.0, None, 60.0, 100.0)]
    book.journal.keep(Entry(kind="learned", name="learned", state="", value=b"[[]]"), lambda _: None)
    assert book.lessons() == []
