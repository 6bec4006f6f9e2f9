"""What is read out of a journal: every job counted once, by how it came out, with what it cost."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from lipsync_async.endings import Downloaded, DownloadFailed, DownloadKind, FailureKind, Succeeded, TaskFailed, TaskLost
from lipsync_async.errors import JournalError
from lipsync_async.journal import Entry, Reader, Record, State, Store, Try
from lipsync_async.journal.entries import to_row
from lipsync_async.report.facts import ENDED, REFUSED, SUBMITTED, Facts
from lipsync_async.report.gathering import PAGE, gather
from lipsync_async.tasks.learning import Lesson
from lipsync_async.tasks.taskbook import LEARNED
from lipsync_async.tasks.ties import TASK, to_tie
from tests.journal.data import make_schema_1
from tests.report import batches
from tests.report.batches import GATEWAY, ended_of, put, record
from tests.report.reading import Parsed, in_memory, make_schema_2, page_of


def accepted(name: str, **values: object) -> Record:
    """A job that has a task of its own name."""
    return record(name, State.ACCEPTED, **{"task_id": f"task-{name}", **values})


def failed(name: str, **values: object) -> TaskFailed:
    """How the task of that job failed."""
    given = {"kind": FailureKind.MEDIA, "reason": "no face", **values}
    return TaskFailed(task_id=f"task-{name}", external_task_id=name, **given)  # type: ignore[arg-type]


def fetched(name: str, **values: object) -> Downloaded:
    """The video of that job on disk."""
    given = {"path": f"/srv/{name}.mp4", "size": 1_000, "task_id": f"task-{name}", **values}
    return Downloaded(external_task_id=name, **given)  # type: ignore[arg-type]


def test_every_state_has_its_word() -> None:
    """Without an ending on record a job with a task is accepted; with one it is not seen to end."""
    states = (State.OPEN, State.UNKNOWN, State.REJECTED, State.CLEARED, State.NOT_SENT)
    with in_memory() as store:
        put(store, [*(record(state.value, state) for state in states), accepted("a"), accepted("b"), accepted("c")])
        facts = gather(store)
        assert facts.counts == {"open": 1, "unknown": 1, "rejected": 1, "not_sent": 2, "accepted": 3}
        assert (facts.jobs, facts.made, facts.waited) == (8, 3, False)
        lost = TaskLost(task_id="task-b", external_task_id="b")
        put(store, [], [ended_of(accepted("a")), lost])
        facts = gather(store)
    assert (facts.counts["succeeded"], facts.counts["lost"], facts.counts["running"]) == (1, 1, 1)
    assert (facts.jobs, facts.made, facts.waited) == (8, 1, True)


def test_an_ending_of_another_task_is_not_its_own() -> None:
    """The job was accepted anew since; what the earlier task cost is counted all the same, as `status` does."""
    with in_memory() as store:
        job = accepted("a", task_id="second")
        put(store, [job], [ended_of(accepted("a"))], [fetched("a")])
        facts = gather(store)
    assert facts.counts == {"running": 1}
    assert (facts.money.tasks, facts.fetched) == (1, 0)


def test_the_money_is_counted() -> None:
    """Charged, estimated, and what failed tasks were not charged."""
    with in_memory() as store:
        endings: list[Succeeded | TaskFailed] = [
            ended_of(accepted("a")),
            ended_of(accepted("b"), units=None),
            failed("c", units="0", estimated_units=1.0),
            failed("d", units="0.5", estimated_units=0.5),
            failed("e", estimated_units=2.0),
        ]
        put(store, [accepted(name) for name in "abcde"], endings)
        facts = gather(store)
        page = page_of(store)
    assert (facts.money.tasks, facts.money.told, facts.money.charged, facts.money.estimated) == (5, 3, 1.0, 4.5)
    assert (facts.refund.tasks, facts.refund.told, facts.refund.given_back) == (3, 2, 1.0)
    assert "<b>1 unit</b>charged" in page
    assert "<b>4.5 units</b>estimated" in page
    assert "<b>1 unit</b>refunded" in page


def test_a_job_that_was_submitted_again_is_one_job() -> None:
    """Its failed task is told apart from those that nobody has submitted again."""
    capacity = {"kind": FailureKind.CAPACITY, "reason": "resource limit"}
    with in_memory() as store:
        names = ("a", "a-r1", "a-r2", "b", "c")
        failures = [failed("a", **capacity), failed("a-r1", **capacity), failed("b", **capacity), failed("c")]
        put(store, [accepted(name) for name in names], [*failures, ended_of(accepted("a-r2"))])
        ties = (to_tie("a", 1, "a-r1"), to_tie("a", 2, "a-r2"), to_tie("b", 1, "b-r1"))
        store.keep([to_row(tie) for tie in ties])
        facts = gather(store)
        page = page_of(store)
    assert facts.counts == {"again": 2, "succeeded": 1, "failed": 2}
    assert facts.again_kinds == {"capacity": 1}
    assert "1 of 3 jobs have their video" in page


def test_the_videos_are_counted() -> None:
    """Fetched, not fetched, and never tried."""
    with in_memory() as store:
        jobs = [accepted(name) for name in "abcd"]
        broken = DownloadFailed(external_task_id="b", task_id="task-b", kind=DownloadKind.DAMAGED, message="short")
        stale = fetched("d", task_id="an earlier one")
        put(store, jobs, map(ended_of, jobs), [fetched("a"), broken, stale])
        facts = gather(store)
    assert (facts.fetched, facts.not_fetched, facts.not_tried, facts.fetched_bytes) == (1, 1, 2, 1_000)
    assert facts.folder == "/srv/a.mp4"
    assert [(reason.came_out, reason.kind, count) for reason, count, _ in facts.reasons()] == [
        ("not_fetched", "damaged", 1)
    ]


def test_times_are_counted() -> None:
    """Of submits, ends and refusals; how long tasks take is as it was learned."""
    at = 1_790_000_000.0
    tries = (Try(0, at, "answered", "rate", 429, 1302), Try(1, at + 1, "sent", "timeout"), Try(2, at + 2, "answered"))
    with in_memory() as store:
        job = accepted("a", last_intent_at=at + 2, history=tries, recovered=True)
        put(store, [job], [ended_of(job, ended_at=at + 92)])
        batches.learned(store, [Lesson(float(seconds), 5.0, seconds + 4.0, seconds + 9.0) for seconds in range(50, 70)])
        facts = gather(store)
        page = page_of(store)
    assert [sum(facts.timeline.counts(series)) for series in (SUBMITTED, ENDED, REFUSED)] == [1, 1, 1]
    assert facts.tries == {"rate": 1, "timeout": 1}
    assert facts.recovered == 1
    assert facts.good.rows[0].seconds == 90.0
    assert (facts.learned.half, facts.learned.freshness, len(facts.learned.lasted)) == (59.5, 4.0, 20)
    assert "Half of the tasks end within 1 min" in page
    assert "The gateway tells nine ends of ten within 4 s" in page


@pytest.mark.parametrize(("ended_at", "sent"), [(5.0, 6.0), (None, 6.0), (5.0, None)])
def test_clocks_that_disagree_tell_no_duration(ended_at: float | None, sent: float | None) -> None:
    """The gateway's end lies before our submit."""
    with in_memory() as store:
        job = accepted("a", last_intent_at=sent)
        put(store, [job], [ended_of(job, ended_at=ended_at)])
        assert gather(store).good.rows[0].seconds is None


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_every_page_of_the_journal_is_read(count: int) -> None:
    """Each job once, with its own ending and video."""
    with in_memory() as store:
        jobs = [accepted(f"{number}") for number in range(count)]
        put(store, jobs, map(ended_of, jobs), [fetched(job.external_task_id) for job in jobs])
        facts = gather(store)
    assert (facts.jobs, facts.made, facts.fetched, facts.money.tasks) == (count, count, count, count)
    assert {row.path for row in facts.good.rows} == {f"/srv/{number}.mp4" for number in range(count)}


@pytest.mark.parametrize(
    ("lists", "begun", "never"), [({}, 2, 0), ({"a": 5}, 2, 3), ({"a": 2}, 2, 0), ({"a": 5, "b": 9}, 2, 0)]
)
def test_what_the_list_has_more(lists: dict[str, int], begun: int, never: int) -> None:
    """A journal knows how long its list is; of two lists nobody knows what belongs to which."""
    with in_memory() as store:
        put(store, [accepted(f"{number}") for number in range(begun)])
        for digest, count in lists.items():
            store.remember_list(digest, count)
        assert gather(store).never_begun == never


def test_a_journal_in_use_is_read(tmp_path: Path) -> None:
    """Beside the run that writes it: each time with what was durable then."""
    with Store(tmp_path / "run.db", gateway=GATEWAY) as store, Reader(tmp_path / "run.db") as reader:
        for count in (0, 1, 2):
            assert gather(reader).jobs == count
            put(store, [accepted(f"{count}")])


def test_schema_1_is_read_as_it_is(tmp_path: Path) -> None:
    """Jobs alone, odd ids among them; the file is not changed."""
    path = tmp_path / "run.db"
    shutil.copy(make_schema_1.PATH, path)
    with Reader(path) as reader:
        facts, page = gather(reader), page_of(reader)
    assert facts.jobs == len(make_schema_1.RECORDS)
    assert facts.counts == {"open": 2, "accepted": 2, "rejected": 1, "unknown": 2, "not_sent": 2}
    assert len(Parsed(page).jobs) == facts.jobs
    assert path.read_bytes() == make_schema_1.PATH.read_bytes()


def test_schema_2_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no entries: nobody waited for its tasks."""
    path = tmp_path / "run.db"
    with monkeypatch.context() as patched:
        make_schema_2(patched)
        with Store(path, gateway=GATEWAY) as store:
            store.write([accepted("a"), record("b", State.UNKNOWN)])
    with Reader(path) as reader:
        facts = gather(reader)
        assert page_of(reader)
    assert facts.counts == {"accepted": 1, "unknown": 1}
    assert not facts.waited


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    """No page of half a journal."""
    path = batches.write(tmp_path / "run.db", 10)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE jobs SET attempts = 9 WHERE seq = 7")
    database.close()
    with Reader(path) as reader, pytest.raises(JournalError, match="checksum"):
        gather(reader)


def test_what_a_later_version_wrote_is_left_out() -> None:
    """An ending of a kind that is not known, and lessons that cannot be read."""
    with in_memory() as store:
        put(store, [accepted("a")])
        odd = [(TASK, "a", "vanished"), (LEARNED, LEARNED, "")]
        store.keep([to_row(Entry(kind=kind, name=name, state=state, value=b"{}")) for kind, name, state in odd])
        facts: Facts = gather(store)
    assert facts.counts == {"running": 1}
    assert facts.learned.lasted == ()
