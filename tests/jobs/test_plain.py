"""The first look at a line, held against the general reader: the same request and no word, or no answer at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from lipsync_async.gateways import Gateway
from lipsync_async.jobs import JobLine, JobList, ListReport, joblist
from lipsync_async.jobs.compact import LinePairs
from lipsync_async.jobs.jsonl import json_record
from lipsync_async.jobs.lines import read_line
from lipsync_async.jobs.plain import plain_line
from lipsync_async.jobs.rules import found_in

GATEWAY = Gateway(name="strict", base_url="https://gateway.test", max_id_length=64)
USUAL = {
    "session_id": "825465778199224380",
    "face_id": "0",
    "audio_id": "825451760499568680",
    "sound_start_time": 0,
    "sound_end_time": 5000,
    "sound_insert_time": 0,
    "external_task_id": "batch7-000042",
}
IDS = st.sampled_from(
    ["0", "a-b_c", "nan", "None", "x y", "", "a:b", "8.0", "825465778199220000", "1e+15", "é", "x" * 65, "a\n", None, 7]
)
NUMBERS = st.sampled_from(["0", "-0", "1", "2", "3", "0.0", "1.0", "1e0", "0.5", "2000.0", "2000", "1999", "60000"]) | (
    st.sampled_from(["60001", "-1", "true", "null", '"1"', "NaN", "Infinity", "1" * 20, "9223372036854775807", "02"])
)
OTHERS = ["sound_volume", "original_audio_volume", "callback_url", "sound_path", "sound_file", "video_url", "face"]
NOTES = ["text", "voice_id", "note", "extra_body", "face_choose", "Session ID"]
NAMES = st.sampled_from([*USUAL, *OTHERS, *NOTES])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """The usual line with a few of its pairs changed, repeated or left out, in any layout."""
    pairs = [(name, json.dumps(value)) for name, value in USUAL.items()]
    pairs = [pair for pair in pairs if draw(st.integers(0, 9))]
    for name in draw(st.lists(NAMES, max_size=2)):
        value = draw(NUMBERS | IDS.map(json.dumps))
        known = {given for given, _ in pairs}
        if name in known and draw(st.booleans()):
            pairs = [(given, value if given == name else old) for given, old in pairs]
        else:
            pairs.append((name, value))
    comma, colon = draw(st.sampled_from([(", ", ": "), (",", ":"), (" ,\t", " :  ")]))
    text = "{" + comma.join(f"{json.dumps(name)}{colon}{value}" for name, value in pairs) + "}"
    return (text + draw(st.sampled_from(["", "", "", "}", ",", " x"]))).encode()


@given(lines())
@example(json.dumps(USUAL).encode())
@example(b'{"session_id": "1", ' + json.dumps(USUAL).encode()[1:])
@example(json.dumps({**USUAL, "session_id": "8\u0061"}).encode())
@example(b"\xff" + json.dumps(USUAL).encode())
def test_what_is_plain_is_read_as_the_general_reader_reads_it(raw: bytes) -> None:
    """Same request, same id, and nothing to say about it; else no answer."""
    plain = plain_line(7, raw, GATEWAY.max_id_length)
    if plain is None:
        return
    record = json_record(7, raw)
    assert record.values is not None
    read = read_line(record.values, None, record.ignored)
    assert (record.violations, read.violations, read.legacy_extra) == ((), (), None)
    assert read.request is not None
    assert found_in(read.request, (), GATEWAY) == ()
    assert repr(plain.request) == repr(read.request)  # also 1 and 1.0 apart, which are equal
    assert plain.request == read.request
    assert plain.given_id == record.values.get("external_task_id", "")


def test_the_usual_line_is_plain_in_every_layout() -> None:
    """The first look is there for this."""
    without = {name: value for name, value in USUAL.items() if name != "external_task_id"}
    for values in (USUAL, without, {**USUAL, "sound_volume": 2, "original_audio_volume": 1}):
        for layout in ((", ", ": "), (",", ":")):
            assert plain_line(1, json.dumps(values, separators=layout).encode(), 64) is not None


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("sound_end_time", 2000, True),
        ("sound_end_time", 1999, False),
        ("sound_end_time", 60000, True),
        ("sound_end_time", 60001, False),
        ("sound_insert_time", 2**63 - 1, True),
        ("sound_insert_time", 2**63, False),
        ("sound_start_time", -1, False),
        ("sound_volume", 0, False),
        ("sound_volume", 3, False),
        ("original_audio_volume", True, False),
        ("external_task_id", "x" * 64, True),
        ("external_task_id", "x" * 65, False),
        ("external_task_id", "nan", False),
        ("face_id", "undefined", False),
        ("audio_id", "825451760490000000", False),
        ("session_id", "a b", False),
        ("text", "", False),
        ("video_url", "https://cdn.test/a.mp4", False),
    ],
)
def test_both_sides_of_each_edge(name: str, value: object, plain: bool) -> None:
    """What only just keeps the rules is plain, and what only just breaks them is for the general reader."""
    assert (plain_line(1, json.dumps({**USUAL, name: value}).encode(), 64) is not None) is plain


def test_a_repeated_name_is_not_plain() -> None:
    """The last one counts, and that is told."""
    raw = json.dumps(USUAL).encode()
    assert plain_line(1, raw[:-1] + b', "face_id": "0"}', 64) is None


@given(st.lists(lines() | st.just(json.dumps(USUAL).encode()), min_size=1, max_size=6))
def test_a_list_is_told_the_same_of_with_and_without_the_first_look(
    tmp_path_factory: pytest.TempPathFactory, raws: list[bytes]
) -> None:
    """Report, faults as they are found, repetitions, and the jobs that are handed out."""
    path = tmp_path_factory.mktemp("list") / "jobs.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\n\n".join([*raws, b""]))
    quick = told(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joblist, "plain_line", lambda *_: None)
        assert told(path) == quick


def told(path: Path) -> tuple[list[str], ListReport, list[tuple[int, int]], list[JobLine]]:
    """All that a list's check and its lines tell."""
    faults: list[str] = []
    with JobList.open(path) as jobs:
        report = jobs.check(GATEWAY, tell=lambda fault: faults.append(str(fault)))
        pairs = [(line, earlier) for line in range(20) if (earlier := report.repeats.get(line)) is not None]
        return faults, evolve(report, repeats=LinePairs(), conflicts=LinePairs()), pairs, list(jobs)
