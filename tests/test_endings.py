"""Endings and results: closed, frozen, each with the error that it stands for."""

from __future__ import annotations

import pickle
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from lipsync_async.endings import (
    Download,
    Downloaded,
    DownloadFailed,
    DownloadKind,
    Ending,
    FailureKind,
    StillRunning,
    Succeeded,
    TaskFailed,
    TaskLost,
    TaskState,
    Video,
)
from lipsync_async.errors import BatchError, DownloadError, TaskError, TaskFailedError, TaskLostError, WaitTimeoutError
from lipsync_async.outcomes import NotSent
from lipsync_async.task_results import TaskResults
from lipsync_async.terms import Kind

DONE = Succeeded(task_id="1", external_task_id="a", videos=(Video(url="https://cdn.example/1.mp4"),))
FAILED = TaskFailed(task_id="2", external_task_id="b", kind=FailureKind.MEDIA, reason="no face")
LOST = TaskLost(task_id="3", external_task_id="c")
RUNNING = StillRunning(task_id="4", external_task_id="d", waited=12.0)
UNSENT = NotSent(external_task_id="e", kind=Kind.QUOTA)


def test_the_union_is_closed() -> None:
    """Four endings, each with a name of its own."""
    assert set(get_args(Ending)) == {Succeeded, TaskFailed, TaskLost, StillRunning}
    assert [it.name for it in (DONE, FAILED, LOST, RUNNING)] == ["succeeded", "failed", "lost", "running"]


@pytest.mark.parametrize(
    ("ending", "error", "text"),
    [
        (FAILED, TaskFailedError, r"task 2 failed \(media\): no face"),
        (TaskFailed(task_id="2", kind=FailureKind.UNKNOWN), TaskFailedError, "no reason was told"),
        (LOST, TaskLostError, "task 3 is lost"),
        (RUNNING, WaitTimeoutError, r"within 12 s.*wait\('4'\) goes on.*nothing needs to be submitted again"),
        (RUNNING, WaitTimeoutError, "12 s; no look told how it stands: wait"),
        (replace(RUNNING, trouble="HTTP 503: later"), WaitTimeoutError, r"stands \(the last: HTTP 503: later\): wait"),
        (replace(RUNNING, state=TaskState(task_id="4")), WaitTimeoutError, "12 s; it goes on at the gateway: wait"),
        (
            replace(RUNNING, missing=True, trouble="HTTP 404: none"),
            WaitTimeoutError,
            r"^task 4: the gateway does not know this task \(HTTP 404: none\), after 12 s. .*account that made it\?",
        ),
    ],
)
def test_each_has_its_error(ending: Any, error: type[TaskError], text: str) -> None:
    """It carries the ending and both ids, and says what to do; across processes nothing is lost."""
    with pytest.raises(error, match=text) as caught:
        raise ending.error()
    again = pickle.loads(pickle.dumps(caught.value))
    for told in (caught.value, again):
        assert told.ending == ending
        assert told.task_id == ending.task_id
        assert told.external_task_id == ending.external_task_id
    DONE.error()  # there is nothing to raise


def test_a_timeout_is_a_timeout() -> None:
    """`except TimeoutError` catches it."""
    assert isinstance(RUNNING.error(), TimeoutError)
    assert FAILED.error().kind == "media"


def test_endings_are_frozen_and_pickle() -> None:
    """As outcomes are."""
    for ending in (DONE, FAILED, LOST, RUNNING):
        assert pickle.loads(pickle.dumps(ending)) == ending
        with pytest.raises(AttributeError):
            ending.task_id = "other"  # type: ignore[misc]


def test_results_by_how_they_ended() -> None:
    """A mapping in its order, with a view for each ending."""
    results = TaskResults({"a": DONE, "b": FAILED, "c": LOST, "d": RUNNING, "e": UNSENT})
    assert list(results) == ["a", "b", "c", "d", "e"]
    assert results.succeeded == {"a": DONE}
    assert results.failed == {"b": FAILED}
    assert results.lost == {"c": LOST}
    assert results.running == {"d": RUNNING}
    assert results.without_task == {"e": UNSENT}
    assert len(results) == 5
    assert repr(results) == "<TaskResults 1 succeeded, 1 failed, 1 lost, 1 running, 1 not_sent>"
    assert repr(TaskResults({})) == "<TaskResults empty>"
    with pytest.raises(BatchError, match="4 of 5 did not succeed") as caught:
        results.raise_for_failures()
    assert [error.external_task_id for error in caught.value.errors] == ["b", "c", "d", "e"]
    TaskResults({"a": DONE}).raise_for_failures()


KEPT = Downloaded(external_task_id="a", task_id="1", path="/videos/a.mp4", size=7)
UNKEPT = DownloadFailed(external_task_id="a", task_id="1", kind=DownloadKind.STORAGE, message="no space is left")


def test_a_download_is_told_beside_the_ending() -> None:
    """Two words that are no endings, frozen, picklable; four kinds."""
    assert set(get_args(Download)) == {Downloaded, DownloadFailed}
    assert not set(get_args(Download)) & set(get_args(Ending))
    assert [it.name for it in (KEPT, UNKEPT)] == ["downloaded", "download_failed"]
    assert [it.value for it in DownloadKind] == ["expired", "refused", "damaged", "storage"]
    for it in (KEPT, UNKEPT):
        assert pickle.loads(pickle.dumps(it)) == it
        with pytest.raises(AttributeError):
            setattr(it, "task_id", "other")  # noqa: B010 - both are frozen


def test_a_failed_download_has_its_error() -> None:
    """It is no error of the task's, and says that nothing is to be submitted again."""
    KEPT.error()  # there is nothing to raise
    error = UNKEPT.error()
    assert "task 1 was not downloaded (storage): no space is left" in str(error)
    assert "needs no new submit" in str(error)
    assert not isinstance(error, TaskError)
    for told in (error, pickle.loads(pickle.dumps(error))):
        assert isinstance(told, DownloadError)
        assert (told.kind, told.task_id, told.external_task_id, told.download) == ("storage", "1", "a", UNKEPT)
