"""Odd lists take no more memory than good ones: repeats, conflicts, names that are none, lines without end."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lipsync_async.jobs import KEPT_WARNINGS, JobList, record
from lipsync_async.jobs.compact import Firsts, LinePairs, Turned

from .test_odd_lists import GOOD, H, R

MIB = 2**20
COUNT = 4_000


def peak(work: Callable[[], object]) -> int:
    """Bytes at the most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def lines(kind: str) -> Iterator[str]:
    """A long list of one kind."""
    for number in range(COUNT):
        changes: dict[str, object] = {"external_task_id": f"job-{number:08}"}
        if kind == "repeats":
            changes["external_task_id"] = f"job-{number // 2:08}"
        elif kind == "conflicts":
            changes |= {"external_task_id": "same", "sound_insert_time": number}
        elif kind == "unknown fields":
            changes[f"field-{number}-{'x' * 200}"] = number
        elif kind == "warnings":
            changes["sound_end_time"] = 60_000
            changes["callback_url"] = f"http://localhost/{number}"
        yield json.dumps({**GOOD, **changes}) + "\n"


@pytest.mark.parametrize("kind", ["repeats", "conflicts", "unknown fields", "warnings"])
def test_a_long_odd_list(kind: str, tmp_path: Path) -> None:
    """Below 100 bytes a line, as a good list, and what a report keeps at most."""
    path = tmp_path / "jobs.jsonl"
    path.write_text("".join(lines(kind)), encoding="utf-8")
    jobs = JobList.open(path)
    jobs.check(limit=10)
    kept = 1_200_000 if kind == "conflicts" else 500_000  # what is kept of faults; the buckets of three empty sets
    assert peak(jobs.check) < COUNT * 100 + kept
    report = jobs.check()
    assert len(report.warnings) <= KEPT_WARNINGS
    if kind == "unknown fields":
        assert report.warning_count == COUNT
    if kind == "repeats":
        assert (len(report.repeats), report.jobs) == (COUNT // 2, COUNT // 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jobs.jsonl", "{" + ",".join(f'"n{number}":1' for number in range(30_000)) + "}"),
        ("jobs.jsonl", json.dumps({**GOOD, "x": [1] * 50_000})),
        ("jobs.csv", f"{H}\n{R}{',' * 50_000}"),
        ("jobs.csv", "session_id" + "," * 50_000),
    ],
)
def test_a_line_of_many_values_is_not_taken_apart(name: str, text: str, tmp_path: Path) -> None:
    """A job has some ten of them."""
    from lipsync_async.errors import JobListError

    path = tmp_path / name
    path.write_text(f"{text}\n", encoding="utf-8")
    try:
        told = [fault.violation.rule for fault in JobList.open(path).check().faults]
    except JobListError as error:
        told = [fault.rule for fault in error.violations]
    assert told == ["too_many_values"]


@pytest.mark.parametrize("name", ["jobs.jsonl", "jobs.csv"])
def test_a_line_without_end_is_not_held(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is read, under its own number."""
    monkeypatch.setattr(record, "LONGEST_LINE", 64 * 1024)
    monkeypatch.setattr(record, "PIECE", 1024)
    long, good = "y" * (8 * MIB), json.dumps(GOOD)
    text = f"{H}\n{R}\n{long}\n{R}\n" if name == "jobs.csv" else f"{good}\n{long}\n{good}\n"
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    jobs = JobList.open(path)
    report = jobs.check()
    first = 2 if name == "jobs.csv" else 1
    assert [(fault.line, fault.violation.rule) for fault in report.faults] == [(first + 1, "line_too_long")]
    assert dict(report.repeats) == {first + 2: first}
    assert peak(jobs.check) < MIB


def test_pairs_of_lines() -> None:
    """A mapping, and the same turned round."""
    pairs = LinePairs()
    for line, other in ((3, 1), (5, 2), (7, 1)):
        pairs.add(line, other)
    assert (dict(pairs), len(pairs), 5 in pairs, 4 in pairs, 99 in pairs) == ({3: 1, 5: 2, 7: 1}, 3, True, False, False)
    assert repr(pairs) == "<LinePairs 3>"
    turned = Turned(pairs)
    assert [list(turned.of(line)) for line in (0, 1, 2, 3)] == [[], [3, 7], [5], []]


def test_the_first_line_of_each_id() -> None:
    """Whatever comes later, in whatever order."""
    firsts = Firsts()
    for line in range(2_000):
        assert firsts.setdefault(f"id-{line % 500}", line, line * 7) == (line % 500, line % 500 * 7)
