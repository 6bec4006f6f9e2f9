"""Whatever stands in a list, it is read to its end, line by line, and nothing is raised."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.errors import JobListError
from lipsync_async.jobs import JobList

FIELDS = (
    "session_id", "face_id", "audio_id", "sound_file", "sound_path", "sound_start_time", "sound_end_time",
    "sound_insert_time", "sound_volume", "original_audio_volume", "external_task_id", "callback_url", "extra_body",
    "watermark_info", "face_choose", "model",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
LINES = st.dictionaries(st.sampled_from(FIELDS), VALUES)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)


def read(data: bytes, name: str = "jobs.jsonl") -> JobList:
    """A list of these bytes, spooled."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        jobs = JobList.open(path)
        jobs.read_back = list(jobs)  # type: ignore[attr-defined]
        try:
            jobs.report = jobs.check()  # type: ignore[attr-defined]
        except JobListError:
            jobs.report = None  # type: ignore[attr-defined]
        return jobs


@given(st.binary(max_size=300), st.sampled_from(["jobs.jsonl", "jobs.csv", "jobs"]))
def test_any_bytes_are_a_list_or_a_clear_error(data: bytes, name: str) -> None:
    """Nothing but `JobListError` is ever raised."""
    with suppress(JobListError):
        read(data, name)


@given(st.lists(LINES, min_size=1, max_size=5))
def test_every_line_comes_out_once(lines: list[dict[str, Any]]) -> None:
    """As a request or with at least one error, under its own number."""
    jobs: Any = read("\n".join(map(json.dumps, lines)).encode())
    assert [line.line for line in jobs.read_back] == list(range(1, len(lines) + 1))
    assert all((line.request is None) == bool(line.errors) for line in jobs.read_back)
    assert jobs.report.jobs + jobs.report.broken + len(jobs.report.repeats) == len(lines)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_a_csv_cell_is_what_was_written(rows: list[tuple[str, str]]) -> None:
    """What the csv module wrote is read back, line ends and quotes included."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("session_id", "external_task_id"))
    writer.writerows(rows)
    jobs: Any = read(text.getvalue().encode(), "jobs.csv")
    given_ids = [line.given_id for line in jobs.read_back]
    assert given_ids == [name if name.strip() else "" for session, name in rows if session or name]


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=80), VALUES, max_size=6), max_size=4))
def test_no_message_steers_a_terminal(lines: list[dict[str, Any]]) -> None:
    """Whatever a list holds, what is said of it is printable, on one line, and not without end."""
    with suppress(JobListError):
        jobs: Any = read("\n".join(map(json.dumps, lines)).encode())
        report = jobs.report
        told = [*report.faults, *(warned.first for warned in report.warnings.values())] if report else []
        assert all(str(fault).isprintable() and len(str(fault)) < 1_200 for fault in told)


PLAIN = {
    "session_id": "s", "face_id": "0", "audio_id": "a", "sound_start_time": 0, "sound_end_time": 5000,
    "sound_insert_time": 0, "sound_volume": 1, "original_audio_volume": 1,
}  # fmt: skip


@given(st.dictionaries(st.text(max_size=12), VALUES, max_size=4))
def test_what_is_no_field_is_no_part_of_a_job(others: dict[str, Any]) -> None:
    """Any other names beside a sound line's: they are warned of, or faults, and never sent."""
    fields = {*FIELDS, *PLAIN} - {"model"}
    others = {name: it for name, it in others.items() if name not in fields and not name.startswith("extra_body.")}
    plain: Any = read(json.dumps(PLAIN).encode()).read_back  # type: ignore[attr-defined]
    (line,) = read(json.dumps({**others, **PLAIN}).encode()).read_back  # type: ignore[attr-defined]
    named = {fault.rule for fault in line.violations}
    if line.request is None:
        assert named & {"misnamed_field", "misplaced_field", "too_many_values", "not_json"}
    else:
        assert line.request == plain[0].request
        assert named <= {"ignored_field", "repeated_key"}
        assert (line.legacy_extra is not None) is bool(others)
