"""Legal and illegal job lines: no illegal one leaves, no legal one is refused, and what leaves fits both seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from lipsync_async.cli import main

from .helpers import CLIPS, body, job, recorder, results, write

OPENAPI = Path(__file__).parents[1] / "openapi"
CLIP, SHORT, LONG = (str(CLIPS / name) for name in ("speech_5.mp3", "too_short.m4a", "too_long.mp3"))
URL = "https://example.com/speech.mp3"
OTHER_SOUND: dict[str, Any] = {"audio_id": ...}
LEGAL: list[dict[str, Any] | str] = [
    job(),
    body(session_id="2"),
    job(session_id="3", sound_start_time=0.0),
    job(session_id="4", sound_volume=1.0),
    job(session_id="5", sound_volume=0),
    job(session_id="6", sound_volume=2, original_audio_volume=0),
    job(session_id="7", sound_end_time=2000),
    job(session_id="8", sound_end_time=60_000),
    job(session_id="9", sound_start_time=4000, sound_end_time=6000),
    job(session_id="10", sound_insert_time=0),
    job(session_id="11", sound_insert_time=3_600_000),
    job(session_id="12", sound_file=""),
    body(session_id="13", sound_file=""),
    job(session_id="14", audio_id="", sound_file=URL),
    job(session_id="15", sound_file=URL, **OTHER_SOUND),
    body(session_id="16", sound_file=URL, **OTHER_SOUND),
    job(session_id="17", sound_path=CLIP, **OTHER_SOUND),
    body(session_id="18", sound_path=CLIP, **OTHER_SOUND),
    job(session_id="19", sound_path=str(CLIPS / "speech_5.m4a"), **OTHER_SOUND),
    job(session_id="20", sound_path=str(CLIPS / "speech_2.wav"), sound_end_time=2000, **OTHER_SOUND),
    job(session_id="21", sound_file="QUJD" * 1000, **OTHER_SOUND),
    job("my-own_ID9", session_id="22"),
    job("x" * 64, session_id="23"),
    job("", session_id="24"),
    job(session_id="25", callback_url="https://example.com/hook?a=1"),
    job(session_id="26", callback_url=""),
    job(session_id="27", watermark_info={"enabled": True}),
    job(session_id="28", model="kling-v1"),
    job(session_id="29", extra_body={"model": "kling-v1"}),
    job(session_id="30", face_id="0"),
    json.dumps(job(session_id="31"))[:-1] + ', "sound_volume": 2}',
    job(session_id="32", external_task_id=None),
    job(session_id="33", sound_start_time=...),
    job(session_id="34", sound_insert_time=...),
    job(session_id="35", sound_volume=..., original_audio_volume=...),
    job(session_id="36", sound_path=CLIP, sound_end_time=..., **OTHER_SOUND),
]
ILLEGAL: list[dict[str, Any] | str] = [
    job(session_id=...),
    job(session_id=""),
    job(session_id=5),
    job(session_id=None),
    job(session_id="nan"),
    job(calback_url="https://example.com/hook"),
    job(face_id=...),
    job(face_id=""),
    job(audio_id=...),
    job(audio_id="", sound_file=""),
    job(sound_file=URL),
    job(sound_path=CLIP),
    job(sound_end_time=...),
    job(sound_start_time="0"),
    job(sound_start_time=0.5),
    job(sound_start_time=-1),
    job(sound_start_time=True),
    job(sound_end_time=1999),
    job(sound_end_time=60_001),
    job(sound_insert_time=-1),
    job(sound_insert_time=2**63),
    job(sound_volume=-1),
    job(sound_volume=3),
    job(sound_volume=0.5),
    job(sound_volume="1"),
    job(sound_volume=None),
    job(sound_file="data:audio/mp3;base64,QUJD", **OTHER_SOUND),
    job(sound_file="/home/me/speech.mp3", **OTHER_SOUND),
    job(sound_file="ftp://example.com/a.mp3", **OTHER_SOUND),
    job(sound_path="no-such-file.mp3", **OTHER_SOUND),
    job(sound_path=SHORT, sound_end_time=2000, **OTHER_SOUND),
    job(sound_path=LONG, **OTHER_SOUND),
    job(sound_path=CLIP, sound_end_time=6000, **OTHER_SOUND),
    job("with space"),
    job("x" * 65),
    job(external_task_id=7),
    job(callback_url="example.com/hook"),
    job(watermark_info={"on": True}),
    job(watermark_info="true"),
    job(extra_body={"external_task_id": "another"}),
    job(extra_body=[1]),
    {"session_id": "1", "face_choose": []},
    {"session_id": "1", "face_choose": [body()["face_choose"][0]] * 2},
    {"session_id": "1", "face_choose": body()["face_choose"][0]},
    {**body(), "face_id": "-1"},
    "[1, 2]",
    "{",
    '"text"',
    "NaN",
    json.dumps(job()).replace('"sound_volume": 1', '"sound_volume": NaN'),
    json.dumps(job()).replace('"825465778199224380"', '"\\ud800"'),
    "{}",
]


def schemas() -> list[dict[str, Any]]:
    """The create call's body, as both seeds have it."""
    found = []
    for name in ("anyapi", "chainhub"):
        document = json.loads((OPENAPI / f"{name}.openapi.json").read_text())
        (path,) = document["paths"].values()
        found.append(path["post"]["requestBody"]["content"]["application/json"]["schema"])
    return found


def test_there_are_sixty_of_them() -> None:
    """The list is as long as it says."""
    assert len(LEGAL) + len(ILLEGAL) >= 60


def test_no_illegal_line_leaves_and_no_legal_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a mixed list just the legal lines are sent, each valid against both seeds' OpenAPI."""
    jobs = write(tmp_path / "jobs.jsonl", [*LEGAL, *ILLEGAL])
    with recorder() as (url, bodies):
        assert main(["submit", str(jobs), "--gateway", url, "--skip-invalid"]) == 1
    told = results(capsys.readouterr().out)
    assert [line["outcome"] for line in told] == ["accepted"] * len(LEGAL) + ["rejected"] * len(ILLEGAL)
    assert {line["kind"] for line in told[len(LEGAL) :]} == {"validation"}
    assert len(bodies) == len(LEGAL)
    assert {sent["session_id"] for sent in bodies} == {"825465778199224380", *map(str, range(2, 37))}
    for sent in bodies:
        for schema in schemas():
            Draft7Validator(schema).validate(sent)
        assert all(value != "" for value in (*sent.values(), *sent["face_choose"][0].values()))


@pytest.mark.parametrize("line", ILLEGAL, ids=range(len(ILLEGAL)))
def test_one_illegal_line_keeps_a_list_at_home(
    line: dict[str, Any] | str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --skip-invalid a single broken line means that nothing is sent, and its number is told."""
    jobs = write(tmp_path / "jobs.jsonl", [job(), line])
    with recorder() as (url, bodies):
        assert main(["submit", str(jobs), "--gateway", url]) == 2
    captured = capsys.readouterr()
    assert "line 2: " in captured.err
    assert captured.out == ""
    assert bodies == []


@pytest.mark.parametrize("line", LEGAL, ids=range(len(LEGAL)))
def test_the_check_finds_nothing_in_a_legal_line(line: dict[str, Any] | str, tmp_path: Path) -> None:
    """`check` ends with 0, for either seed's gateway."""
    jobs = write(tmp_path / "jobs.jsonl", [line])
    assert main(["check", str(jobs), "--gateway", "chainhub"]) == 0
    assert main(["check", str(jobs)]) == 0
