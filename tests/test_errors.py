"""The exception tree: one base, all attributes, picklable, no secret in any text."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from lipsync_async import errors
from lipsync_async.errors import (
    BatchError,
    InvalidRequestError,
    JobListError,
    LipSyncError,
    NotSentError,
    RejectedError,
    Violation,
    without_frames,
)
from lipsync_async.terms import Kind

TREE: list[type[LipSyncError]] = [
    found for found in vars(errors).values() if inspect.isclass(found) and issubclass(found, LipSyncError)
]
FAULT = Violation("face_choose[0].face_id", "missing", "a face_id is needed")


def made(error: type[LipSyncError]) -> LipSyncError:
    """One of each, with all that it can carry."""
    if error is InvalidRequestError:
        return InvalidRequestError([FAULT], external_task_id="job-1")
    if error is JobListError:
        return JobListError("line 3 is broken", [FAULT])
    if error is BatchError:
        return BatchError("2 of 3", [RejectedError("no", external_task_id="job-1")])
    return error(
        "what happened",
        external_task_id="job-1",
        kind="rate",
        http_status=429,
        code=1302,
        request_id="r-1",
        phase="sent",
    )


def test_every_error_derives_from_the_one_base() -> None:
    """So that one `except` catches all that this library raises on purpose; and each says what it is."""
    exceptions = {found for found in vars(errors).values() if inspect.isclass(found) and issubclass(found, Exception)}
    assert exceptions == set(TREE)
    assert all(error.__doc__ for error in TREE)


@pytest.mark.parametrize("error", TREE)
def test_every_error_survives_pickling_with_its_attributes(error: type[LipSyncError]) -> None:
    """Across processes nothing is lost; a copy is as good."""
    before = made(error)
    before.add_note("seen by a test")
    for again in (pickle.loads(pickle.dumps(before)), copy.copy(before), copy.deepcopy(before)):
        assert type(again) is error
        assert str(again) == str(before)
        assert again.__notes__ == ["seen by a test"]
        for name, value in vars(before).items():
            if name != "errors":
                assert getattr(again, name) == value
        assert [str(one) for one in getattr(again, "errors", ())] == [str(one) for one in getattr(before, "errors", ())]


@pytest.mark.parametrize("error", TREE)
def test_an_error_needs_no_arguments_but_its_own(error: type[LipSyncError]) -> None:
    """Every attribute is there, and None where nothing is known."""
    bare = error([]) if error is InvalidRequestError else error("text")
    for name in ("external_task_id", "http_status", "code", "request_id", "phase"):
        assert getattr(bare, name) is None
    assert bare.kind is None or bare.kind in set(Kind)


def test_an_invalid_request_carries_all_its_violations() -> None:
    """The text names each; without any there is still one."""
    error = InvalidRequestError([FAULT, Violation("", "odd", "it is odd")])
    assert str(error) == "face_choose[0].face_id: a face_id is needed; it is odd"
    assert error.violations[0].severity == "error"
    assert str(InvalidRequestError([])) == "the request is not valid"


def test_kinds_of_the_classes_are_words_that_are_known() -> None:
    """The defaults are from the closed vocabulary."""
    kinds = {error.default_kind for error in TREE if error.default_kind}
    assert kinds <= set(Kind)
    assert kinds == {"configuration", "validation", "duplicate_id", "storage", "no_face"}


class TakesTwoError(ConnectionError):
    """Pickle writes it, and cannot read it."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port} is gone")


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ConnectionRefusedError(111, "refused"), ConnectionRefusedError),
        (RejectedError("no", external_task_id="job-1"), RejectedError),
        (TakesTwoError("here", 1), ConnectionError),
        (type("Local", (Exception,), {})("here:1 is gone"), Exception),
        (None, type(None)),
    ],
)
def test_pickling_keeps_the_cause(cause: Exception | None, kind: type[object]) -> None:
    """Or one of Python's own kind with its text, where another process could not read it."""
    error = NotSentError("not sent")
    error.__cause__ = cause
    again = pickle.loads(pickle.dumps(error))
    assert type(again.__cause__) is kind
    assert str(again.__cause__) == str(cause)
    assert copy.copy(error).__cause__ is cause or kind in {ConnectionError, Exception}


def test_causes_of_causes_are_kept() -> None:
    """As far as they are ours."""
    first, last = NotSentError("first"), NotSentError("last")
    first.__cause__, last.__cause__ = OSError(5, "gone"), first
    batch = pickle.loads(pickle.dumps(BatchError("1 of 1", [last])))
    assert batch.errors[0].__cause__.__cause__.errno == 5


def test_without_frames_nothing_leads_back() -> None:
    """Neither a traceback nor what was raised before."""
    try:
        try:
            raise KeyError("held")
        except KeyError as held:
            raise OSError("met") from held
    except OSError as error:
        met = without_frames(error)
    assert (met.__traceback__, met.__cause__, met.__context__) == (None, None, None)
    assert str(met) == "met"
