"""Job lists: how they are read, what is found in them, and in how much memory."""

from __future__ import annotations

import io
import json
import os
import sys
import tracemalloc
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import cli
from lipsync_async.errors import JobListError
from lipsync_async.gateways import CHAINHUB, KLING
from lipsync_async.jobs import JobLine, JobList, LineFault, ListReport, inspection, joblist, record

CLIP = Path(cli.__file__).parent / "demo_clips" / "speech_5.mp3"
COLUMNS = (
    "session_id,face_id,audio_id,sound_start_time,sound_end_time,sound_insert_time,sound_volume,original_audio_volume"
)
ROW = "825465778199224380,-1,825451760499568680,0,5000,1000,1,1"


def job(name: str | None = None, **changes: Any) -> dict[str, Any]:
    """A legal line in the flat form."""
    values = dict(zip(COLUMNS.split(","), ROW.split(","), strict=True))
    line: dict[str, Any] = {key: value if key.endswith("_id") else int(value) for key, value in values.items()}
    if name is not None:
        line["external_task_id"] = name
    return {key: value for key, value in {**line, **changes}.items() if value is not ...}


def open_list(tmp_path: Path, lines: Iterable[Mapping[str, Any] | str] | bytes, name: str = "jobs.jsonl") -> JobList:
    """A list on disk, opened."""
    if not isinstance(lines, bytes):
        lines = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines).encode()
    path = tmp_path / name
    path.write_bytes(lines)
    return JobList.open(path)


def rules(report: ListReport) -> list[tuple[int, str]]:
    """Line and rule of every fault."""
    return [(fault.line, fault.violation.rule) for fault in report.faults]


def only(jobs: JobList) -> JobLine:
    """The one line of a list."""
    (line,) = jobs
    return line


# --- JSONL ----------------------------------------------------------------------------------------------------------


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines count and are skipped; a BOM, Windows line ends and a missing last line feed don't matter."""
    text = b"\xef\xbb\xbf" + json.dumps(job("a")).encode() + b"\r\n\r\n  \n" + json.dumps(job("b")).encode()
    lines = list(open_list(tmp_path, text))
    assert [(line.line, line.given_id, line.violations) for line in lines] == [(1, "a", ()), (4, "b", ())]


def test_a_list_can_be_read_again(tmp_path: Path) -> None:
    """Each iteration begins anew, and two may run side by side."""
    jobs = open_list(tmp_path, [job("a"), job("b")])
    pairs = list(zip(jobs, jobs, strict=True))
    assert [(one.given_id, two.given_id) for one, two in pairs] == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"{", "not_json"),
        (b"{}}", "not_json"),
        (b'{"a": Infinity}', "not_json"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"7", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"session_id": "\xff"}', "not_utf8"),
        (b'{"session_id": "\x00"}', "not_json"),
    ],
)
def test_a_line_that_is_no_object_is_told(line: bytes, rule: str, tmp_path: Path) -> None:
    """Whatever stands there, the list goes on after it."""
    jobs = open_list(tmp_path, json.dumps(job("a")).encode() + b"\n" + line + b"\n" + json.dumps(job("b")).encode())
    assert rules(jobs.check()) == [(2, rule)]
    assert [found.given_id for found in jobs] == ["a", "", "b"]


def test_a_line_that_is_too_long_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never held in memory, and the next one is read."""
    monkeypatch.setattr(record, "LONGEST_LINE", 1000)
    monkeypatch.setattr(record, "PIECE", 7)
    report = open_list(tmp_path, [json.dumps(job("a", model="x" * 5000)), job("b")]).check()
    assert (rules(report), report.jobs) == ([(1, "line_too_long")], 1)


def test_base64_in_a_line_is_read(tmp_path: Path) -> None:
    """A line of five megabytes is a line."""
    sound = "QUJD" * 1_250_000
    line = only(open_list(tmp_path, [job("a", audio_id=..., sound_file=sound)]))
    assert line.request is not None
    assert line.request.face_choose[0].sound_file == sound


def test_a_repeated_key_is_warned_of(tmp_path: Path) -> None:
    """The last one wins, in a face too."""
    text = json.dumps(job("a"))[:-1] + ', "sound_volume": 2, "sound_volume": 0}'
    jobs = open_list(tmp_path, [text])
    line = only(jobs)
    assert [(fault.path, fault.rule, fault.severity) for fault in line.violations] == [
        ("sound_volume", "repeated_key", "warning")
    ]
    assert line.request is not None
    assert line.request.face_choose[0].sound_volume == 0
    assert jobs.check(KLING).ok


def test_an_unknown_key_is_one_warning_a_list(tmp_path: Path) -> None:
    """It is not sent; a thousand lines make one warning, and their ids are those of lines without it."""
    jobs = open_list(tmp_path, [job(sound_insert_time=number, remark=f"take {number}") for number in range(1000)])
    report = jobs.check()
    (warned,) = report.warnings.values()
    assert (report.ok, warned.lines, warned.first.line, report.warning_count) == (True, 1000, 1, 1000)
    assert warned.first.violation.path == "remark"
    assert next(iter(jobs)).request == only(open_list(tmp_path, [job(sound_insert_time=0)], "plain.jsonl")).request


def test_a_sound_path_begins_at_the_list(tmp_path: Path) -> None:
    """It is relative to the folder of the list, not to the working directory."""
    (tmp_path / "clip.mp3").write_bytes(CLIP.read_bytes())
    line = only(open_list(tmp_path, [job("a", audio_id=..., sound_path="clip.mp3")]))
    assert line.request is not None
    assert not line.violations


# --- CSV ------------------------------------------------------------------------------------------------------------


def test_cells_are_converted_by_their_column(tmp_path: Path) -> None:
    """Times and volumes are numbers, the rest is text; an empty cell is not given; a quoted one may hold line feeds."""
    head = COLUMNS + ",external_task_id,callback_url,watermark_info,note"
    rows = [ROW + ',a,,"{""enabled"": true}","one\ntwo"', ROW.replace(",0,5000", ",0.0,5e3") + ",b,,,", "", "," * 11]
    first, second = open_list(tmp_path, [head, *rows], "jobs.csv")
    assert (first.line, second.line) == (2, 4)
    assert first.request is not None
    assert second.request is not None
    assert first.request.session_id == "825465778199224380"
    assert first.request.callback_url is None
    assert first.request.watermark_info == {"enabled": True}
    assert first.request.extra_body is None
    assert second.request.face_choose == first.request.face_choose


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["jobs.csv", "jobs", "jobs.txt"])
def test_csv_is_known_by_its_name_or_its_header(delimiter: str, name: str, tmp_path: Path) -> None:
    """Also with a BOM, and with the delimiters that spreadsheets write."""
    text = "\ufeff" + "\r\n".join(row.replace(",", delimiter) for row in (COLUMNS, ROW, ROW))
    jobs = open_list(tmp_path, text.encode(), name)
    assert jobs.format == "csv"
    report = jobs.check()
    assert (report.faults, report.lines, dict(report.repeats)) == ([], 2, {3: 2})


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (ROW + ",too,many", "not_csv"),
        (ROW.replace(",5000,", ",soon,"), "wrong_type"),
        (ROW.replace(",5000,", ",,"), "window_end_unknown"),
        (ROW.replace(",5000,", ",1_000,"), "wrong_type"),
        (ROW.replace(",5000,", ",nan,"), "placeholder"),
        ('"825"x,' + ROW, "not_csv"),
    ],
)
def test_a_broken_row_is_told(row: str, rule: str, tmp_path: Path) -> None:
    """With its line, and the list goes on."""
    report = open_list(tmp_path, [COLUMNS, row, ROW], "jobs.csv").check()
    assert (rules(report), report.jobs) == ([(2, rule)], 1)


def test_a_row_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    """Latin-1 from an old spreadsheet is a fault of its line."""
    text = f"{COLUMNS}\n{ROW.replace('-1', 'é')}\n{ROW}\n".encode("latin-1")
    report = open_list(tmp_path, text, "jobs.csv").check()
    assert (rules(report), report.jobs) == ([(2, "not_utf8")], 1)


def test_a_cell_may_be_as_long_as_a_sound(tmp_path: Path) -> None:
    """The module's own limit of 128 KiB is raised."""
    row = ROW.replace("825451760499568680", "QUJD" * 100_000)
    report = open_list(tmp_path, [COLUMNS.replace("audio_id", "sound_file"), row], "jobs.csv").check()
    assert report.ok


def test_an_object_that_is_none_stays_a_text(tmp_path: Path) -> None:
    """And is reported as one."""
    report = open_list(tmp_path, [COLUMNS + ",watermark_info", ROW + ",{no"], "jobs.csv").check()
    assert rules(report) == [(2, "wrong_type")]


def test_a_column_twice_is_an_error(tmp_path: Path) -> None:
    """Nobody could say which one counts."""
    with pytest.raises(JobListError, match="face_id"):
        open_list(tmp_path, [COLUMNS + ",face_id", ROW + ",2"], "jobs.csv").check()


# --- lists that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"", b"\n\n \n", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("name", ["jobs.jsonl", "jobs.csv"])
def test_an_empty_list_is_an_error(text: bytes, name: str, tmp_path: Path) -> None:
    """Most likely it is the wrong file."""
    with pytest.raises(JobListError, match="holds no jobs"):
        open_list(tmp_path, text, name).check()


def test_a_list_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """So is a folder, and the text names it."""
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(JobListError, match=path.name):
            JobList.open(path).check()


def test_a_list_that_changes_is_an_error(tmp_path: Path) -> None:
    """Between two passes, in the middle of one, and when it vanishes."""
    jobs = open_list(tmp_path, [job("a"), job("b")])
    path = tmp_path / "jobs.jsonl"
    under_way = iter(jobs)
    next(under_way)
    path.write_text(json.dumps(job("c")))
    with pytest.raises(JobListError, match="changed"):
        list(under_way)
    with pytest.raises(JobListError, match="changed"):
        jobs.check()
    path.unlink()
    with pytest.raises(JobListError, match="cannot be read"):
        jobs.check()


def test_a_disk_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says in the middle of a list comes out as a `JobListError`."""
    jobs = open_list(tmp_path, [job("a")])

    def fail(_: object) -> Iterable[object]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(joblist, "numbered", fail)
    with pytest.raises(JobListError, match="Input/output"):
        jobs.check()


def test_standard_input_is_spooled(tmp_path: Path) -> None:
    """It can be read twice, and the spool is gone afterwards."""
    with JobList.open("-", stdin=io.BytesIO(json.dumps(job("a")).encode())) as jobs:
        assert (jobs.check().jobs, len(list(jobs)), jobs.name) == (1, 1, "standard input")
        spool = jobs._path
        assert spool.exists()
        assert repr(jobs) == "<JobList standard input, jsonl>"
    assert not spool.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_pipe_is_spooled(tmp_path: Path) -> None:
    """`<(generate-jobs)` of a shell works."""
    reading, writing = os.pipe()
    os.write(writing, json.dumps(job("a")).encode())
    os.close(writing)
    with JobList.open(f"/dev/fd/{reading}") as jobs:
        assert (jobs.check().jobs, len(list(jobs))) == (1, 1)
    os.close(reading)


def test_a_spool_that_holds_no_list_is_given_up(tmp_path: Path) -> None:
    """The temporary file does not stay behind."""
    with pytest.raises(JobListError, match="array"):
        JobList.open("-", stdin=io.BytesIO(b"[]"))


# --- the look through -----------------------------------------------------------------------------------------------


def test_every_fault_is_told_with_its_line(tmp_path: Path) -> None:
    """As it is found; a report keeps the first thousand and counts all."""
    told: list[LineFault] = []
    jobs = open_list(tmp_path, [job("a"), *[job(f"b{n}", session_id="", sound_volume=3) for n in range(600)]])
    report = jobs.check(CHAINHUB, tell=told.append)
    assert (report.fault_count, report.broken, report.jobs, report.lines) == (1200, 600, 1, 601)
    assert (len(report.faults), len(told), report.ok) == (1000, 1200, False)
    assert str(told[0]) == "line 2: session_id: must not be empty (job b0)"


def test_the_gateway_decides(tmp_path: Path) -> None:
    """A volume of 0.5 is for Kling alone."""
    jobs = open_list(tmp_path, [job("a", sound_volume=0.5)])
    assert rules(jobs.check(CHAINHUB)) == [(1, "volume_fractional")]
    assert jobs.check(KLING).ok


def test_units_are_added_up(tmp_path: Path) -> None:
    """0.5 a started five seconds; what is sent once is paid once."""
    jobs = open_list(tmp_path, [job("a"), job("b", sound_end_time=5001), job("a"), job("c", sound_end_time=1)])
    assert jobs.check().units == 1.5


def test_a_limit_looks_at_the_first_lines_only(tmp_path: Path) -> None:
    """What comes after them is not even read."""
    report = open_list(tmp_path, [job("a"), job("b"), "{"]).check(limit=2)
    assert (report.ok, report.lines) == (True, 2)


def test_the_same_job_twice_is_one(tmp_path: Path) -> None:
    """By a given id or a derived one; each line knows the first of its sort."""
    lines = [job("a"), job(), job("a"), job("b"), job(), {**job(), "sound_volume": 1.0}]
    report = open_list(tmp_path, lines).check()
    assert (dict(report.repeats), report.jobs, dict(report.conflicts)) == ({3: 1, 5: 2, 6: 2}, 3, {})


def test_one_id_for_two_contents_is_a_fault(tmp_path: Path) -> None:
    """It names the earlier line."""
    report = open_list(tmp_path, [job("a"), job("b"), job("a", sound_volume=2), job("a")]).check()
    assert rules(report) == [(3, "id_repeated")]
    assert "line 1" in str(report.faults[0])
    assert (report.jobs, report.broken, dict(report.repeats), set(report.conflicts)) == (2, 1, {4: 1}, {3})


def test_two_copies_of_a_clip_are_the_same_content(tmp_path: Path) -> None:
    """Sound is told by its bytes, not by its path."""
    for name in ("one.mp3", "two.mp3"):
        (tmp_path / name).write_bytes(CLIP.read_bytes())
    lines = [job("a", audio_id=..., sound_path=name) for name in ("one.mp3", "two.mp3")]
    assert open_list(tmp_path, lines).check().repeats == {2: 1}


def test_a_prefix_is_part_of_the_derived_ids(tmp_path: Path) -> None:
    """A given id that equals a derived one is the same job only with the same prefix."""
    from lipsync_async.wire.identity import derive_id

    jobs = open_list(tmp_path, [job()])
    request = only(jobs).request
    assert request is not None
    jobs = open_list(tmp_path, [job(), job(derive_id(request, prefix="p-"))])
    assert jobs.check(id_prefix="p-").repeats == {2: 1}
    assert jobs.check().repeats == {}


def test_a_clip_that_vanishes_is_a_fault_of_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at its head and the reading of it all."""
    (tmp_path / "clip.mp3").write_bytes(CLIP.read_bytes())
    jobs = open_list(tmp_path, [job(audio_id=..., sound_path="clip.mp3"), job("b")])

    def vanished(*_: object, **__: object) -> str:
        raise OSError(2, "No such file")

    monkeypatch.setattr(inspection, "derive_id", vanished)
    report = jobs.check()
    assert (rules(report), report.jobs) == ([(1, "unreadable_file")], 1)


# --- the digest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jobs.jsonl", "jobs.csv"])
def test_the_digest_tells_lists_apart(name: str, tmp_path: Path) -> None:
    """By their bytes, by size and time of their files, and by what their check depends on."""
    clip = tmp_path / "clip.mp3"
    clip.write_bytes(b"1")
    lines = ['{"sound_path": "clip.mp3"}', '{"face_choose": [{"sound_path": "none"}, 1]}']
    if name == "jobs.csv":
        lines = ["sound_path,face_id", "clip.mp3,1", "none,2"]
    jobs = open_list(tmp_path, lines, name)
    first = jobs.digest("chainhub")
    assert first == jobs.digest("chainhub")
    assert first[1] == 2
    assert jobs.digest("kling") != first
    os.utime(clip, ns=(1, 1))
    assert jobs.digest("chainhub") != first
    with open_list(tmp_path, [job()], "plain.jsonl") as plain:
        assert plain.digest()[1] == 1
    again = open_list(tmp_path, [*lines, lines[-1]], name).digest("chainhub")
    assert again[1] == 3
    assert again != first


# --- a long list ----------------------------------------------------------------------------------------------------


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """Five thousand lines take what ids take: well below 100 bytes a line."""
    text = "\n".join(json.dumps(job(f"job-{number:08}")) for number in range(5_000))
    jobs = open_list(tmp_path, text.encode())
    jobs.check(limit=10)
    tracemalloc.start()
    try:
        report = jobs.check()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.jobs == 5_000
    assert peak < 5_000 * 100


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_lines_are_chosen_by_the_id_they_give(tmp_path: Path, suffix: str) -> None:
    """Those that are wanted come with their line numbers; the limit counts all; a line without an id is named ""."""
    path = tmp_path / f"jobs.{suffix}"
    if suffix == "csv":
        path.write_text("external_task_id,session_id\na,s\nb,s\n,s\nd,s\n", encoding="utf-8")
    else:
        path.write_text('{"external_task_id": "a"}\n{"external_task_id": "b"}\n{}\n{"external_task_id": "d"}\n')
    with JobList.open(path) as jobs:
        first = next(iter(jobs)).line
        chosen = [line.line - first for line in jobs.where(lambda name: name != "b", 3)]
        rest = [line.line - first for line in jobs.where("b".__eq__)]
        nameless = [line.line - first for line in jobs.where("".__eq__)]
    assert (chosen, rest, nameless) == ([0, 2], [1], [2])


def test_lines_that_cannot_be_read_are_chosen_as_nameless(tmp_path: Path) -> None:
    """A broken line is told, whatever is wanted of those without a name."""
    path = tmp_path / "jobs.jsonl"
    path.write_text("{broken\n", encoding="utf-8")
    with JobList.open(path) as jobs:
        (line,) = jobs.where("".__eq__)
    assert line.errors
