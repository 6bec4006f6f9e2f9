"""Which ids are under way, what the last ones came out as, and whose a task is."""

from __future__ import annotations

import gc
from contextlib import suppress
from weakref import ReferenceType, ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.dispatch import registry as room
from lipsync_async.dispatch.job import NOTHING, Job
from lipsync_async.dispatch.registry import REMEMBERED, Registry
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown, caused
from lipsync_async.terms import Kind


def job(external_task_id: str = "job-1") -> Job:
    """A job of that id."""
    return Job(NOTHING, external_task_id)


def task(external_task_id: str = "job-1", task_id: str = "77") -> Accepted:
    """It was accepted."""
    return Accepted(external_task_id=external_task_id, task_id=task_id)


def came_out(registry: Registry, outcome: Outcome) -> Job:
    """A job was under way, and came out so."""
    done = job(outcome.external_task_id)
    assert registry.claim(done) is None
    done.outcome = outcome
    registry.release(done)
    return done


def test_an_id_is_claimed_once() -> None:
    """Who comes second is told who has it; who has it may ask again."""
    registry, first, second = Registry(), job(), job()
    assert registry.claim(first) is None
    assert registry.claim(second) is first
    assert registry.claim(first) is None
    assert (registry.has(first), registry.has(second), registry.under_way) == (True, False, 1)


def test_only_who_has_an_id_can_free_it() -> None:
    """Another job of that id that comes out changes nothing."""
    registry, first, second = Registry(), job(), job()
    registry.claim(first)
    second.outcome = task()
    registry.release(second)
    assert registry.has(first)
    assert registry.recall("job-1") is None
    registry.release(first)
    assert registry.claim(second) is None


@pytest.mark.parametrize(
    ("outcome", "remembered"),
    [
        (task(), True),
        (Unknown(external_task_id="job-1", kind=Kind.TIMEOUT), True),
        (Rejected(external_task_id="job-1", kind=Kind.VALIDATION), False),
        (NotSent(external_task_id="job-1", kind=Kind.CANCELLED), False),
    ],
)
def test_what_may_have_been_paid_for_is_remembered(outcome: Outcome, remembered: bool) -> None:
    """And nothing else."""
    registry = Registry()
    done = came_out(registry, outcome)
    assert registry.recall("job-1") is (done if remembered else None)


class Service:
    """What holds a client, as a frame of the caller's code does."""

    def __init__(self) -> None:
        self.registry = Registry()


def whose_cause_is_raised() -> ReferenceType[Service]:
    """Leaves a service behind, whose job's cause got a frame that holds it."""
    service = Service()
    job = Job(NOTHING, "job-1")
    service.registry.claim(job)
    job.outcome = caused(Unknown(external_task_id="job-1", kind=Kind.CONNECTION), ConnectionError("reset"))
    service.registry.release(job)
    cause = job.outcome.cause or AssertionError()
    del job  # the caller has outcomes, and no jobs
    with suppress(ConnectionError):
        raise cause
    return ref(service)


def test_a_cause_that_is_raised_holds_no_client_for_ever() -> None:
    """It is freed with the frames that the cause got."""
    left = whose_cause_is_raised()
    for _ in range(2):
        gc.collect()
    assert left() is None


def test_a_remembered_job_has_all_that_it_had() -> None:
    """Also where its outcome has a cause."""
    registry, job = Registry(), Job(NOTHING, "job-1", 7, attempts=3, key=b"k", mark=b"m")
    registry.claim(job)
    job.outcome = caused(Unknown(external_task_id="job-1", kind=Kind.CONNECTION), ConnectionError("reset"))
    registry.release(job)
    found = registry.recall("job-1")
    assert found is not None
    assert {name: getattr(found, name) for name in job.__struct_fields__} == {
        name: getattr(job, name) for name in job.__struct_fields__
    }


def test_the_last_ten_thousand_are_remembered() -> None:
    """One more, and the oldest is forgotten."""
    registry = Registry()
    for number in range(REMEMBERED):
        came_out(registry, task(f"job-{number}", f"task-{number}"))
    assert registry.recall("job-0") is not None
    came_out(registry, task("one more", "task"))
    assert registry.recall("job-0") is None
    assert registry.recall("job-1") is not None
    assert repr(registry) == f"<Registry 0 under way, {REMEMBERED} remembered>"


def test_a_journals_registry_remembers_what_is_under_way_alone() -> None:
    """The rest is on disk; a second client of the same journal reads it there."""
    registry = Registry(remembers=False)
    came_out(registry, task())
    assert registry.recall("job-1") is None
    assert not registry.knows("job-1")
    assert registry.claim(job()) is None
    assert registry.knows("job-1")


def test_who_waits_is_called_when_the_id_is_free() -> None:
    """All of them, once, in order; the id can be claimed by then."""
    registry, first, told = Registry(), job(), list[str]()
    registry.claim(first)
    for name in ("one", "two"):
        registry.when_released(first, lambda name=name: told.append(f"{name}: {registry.under_way}"))  # type: ignore[misc]
    registry.release(job("job-2"))
    assert told == []
    registry.release(first)
    registry.release(first)
    assert told == ["one: 0", "two: 0"]


# --- whose a task is -------------------------------------------------------------------------------------------------


def test_a_task_belongs_to_the_first_job_it_is_told_for() -> None:
    """Told for another one, it is another's; told again for the job that was accepted with it, it is its own."""
    registry = Registry()
    assert not registry.is_anothers("77", "job-1")
    assert registry.is_anothers("77", "job-2")
    came_out(registry, task())
    assert not registry.is_anothers("77", "job-1")
    assert registry.is_anothers("77", "job-2")


def test_a_task_that_was_told_for_a_job_stays_its_own() -> None:
    """Whatever the job came out as; for another job it is in doubt."""
    registry = Registry()
    registry.is_anothers("77", "job-1")
    came_out(registry, Unknown(external_task_id="job-1", kind=Kind.TIMEOUT))
    assert not registry.is_anothers("77", "job-1")
    assert registry.is_anothers("77", "job-2")


@pytest.mark.parametrize("remembers", [True, False])
def test_the_last_ten_thousand_tasks_are_known(remembers: bool) -> None:
    """One more, and the oldest belongs to whoever it is told for next: what is kept is bounded."""
    registry = Registry(remembers=remembers)
    for number in range(REMEMBERED):
        assert not registry.is_anothers(f"task-{number}", f"job-{number}")
    assert registry.is_anothers("task-0", "one more")
    assert not registry.is_anothers("task", "one more")
    assert registry.is_anothers("task-1", "one more")
    assert not registry.is_anothers("task-0", "another")


@given(st.lists(st.tuples(st.sampled_from(["77", "78", "79"]), st.sampled_from(["a", "b", "c"])), max_size=30))
def test_no_task_is_told_for_two_jobs(story: list[tuple[str, str]]) -> None:
    """Whatever a gateway answers with, and in whatever order."""
    registry, owners = Registry(), dict[str, str]()
    for task_id, name in story:
        if registry.is_anothers(task_id, name):
            continue
        came_out(registry, task(name, task_id))
        assert owners.setdefault(task_id, name) == name


def test_it_is_a_room_without_a_clock() -> None:
    """It decides by what it was told alone."""
    assert not {"asyncio", "time"} & set(vars(room))
