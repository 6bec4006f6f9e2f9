"""Lists as they come: what each of them is told, word for word (`odd_lists.txt`), so that a person knows what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.errors import JobListError
from lipsync_async.jobs import JobList
from tests.clips.build import wav

H = "session_id,face_id,audio_id,sound_start_time,sound_end_time,sound_insert_time,sound_volume,original_audio_volume"
R = "825465778199224380,0,825451760499568680,0,5000,0,1,1"
GOOD: dict[str, Any] = {
    name: value if name.endswith("_id") else int(value) for name, value in zip(H.split(","), R.split(","), strict=True)
}
URL = "https://clips.example.com/line-1"
TOLD = Path(__file__).parent / "odd_lists.txt"


def line(**changes: Any) -> str:
    """A JSON line that is sound but for the changes; `...` leaves a field out."""
    values = {**GOOD, "external_task_id": "ep1-1", **changes}
    return json.dumps({name: value for name, value in values.items() if value is not ...}, ensure_ascii=False) + "\n"


def csv(*rows: str, head: str = H) -> str:
    """A table."""
    return "\n".join((head, *rows)) + "\n"


FILM = "https://films.example.com/a.mp4"


def video(**changes: Any) -> str:
    """A line that names a video and a sound file."""
    made = {"external_task_id": "ep1-1", "video_url": FILM, "sound_path": "good.wav", **changes}
    return json.dumps({name: value for name, value in made.items() if value is not ...}) + "\n"


def spoken(**changes: Any) -> str:
    """A line that names a video and a text."""
    return video(**{"sound_path": ..., "text": "Good morning.", "voice_id": "v-1", **changes})


def nested(**face: Any) -> str:
    """The same in the create call's own form."""
    return json.dumps({"video_url": FILM, "face_choose": [{"face": "first", **face}]}) + "\n"


def packed(*names: str) -> bytes:
    """A ZIP archive of files with these names."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return made.getvalue()


LISTS: list[tuple[str, str, str | bytes]] = [
    ("a workbook", "jobs.xlsx", packed("[Content_Types].xml", "xl/workbook.xml")),
    ("a workbook under another name", "jobs.csv", packed("[Content_Types].xml", "xl/workbook.xml")),
    ("an old workbook", "jobs.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99),
    ("a zip archive", "jobs.zip", packed("jobs.jsonl")),
    ("gzip", "jobs.jsonl.gz", gzip.compress(line().encode(), mtime=0)),
    ("bzip2", "jobs.jsonl", bz2.compress(line().encode())),
    ("a web page", "jobs.csv", "<!DOCTYPE html><html><body>Sign in</body></html>"),
    ("a PDF", "jobs.csv", b"%PDF-1.7\n"),
    ("a journal", "run.db", b"SQLite format 3\0" + b"\0" * 99),
    ("a sound", "jobs.jsonl", b"ID3\4\0\0\0\0\0\0"),
    ("an empty file", "jobs.csv", ""),
    ("a header alone", "jobs.csv", H + "\n"),
    ("a JSON array", "jobs.json", "[\n" + line().strip() + "\n]\n"),
    ("pretty-printed JSON", "jobs.json", json.dumps(GOOD, indent=2) + "\n"),
    ("damaged UTF-16", "jobs.csv", b"\xff\xfe" + csv(R).encode("utf-16-le") + b"\x00\xd8"),
    ("no header", "jobs.csv", R + "\n" + R + "\n"),
    ("bars between columns", "jobs.csv", csv(R).replace(",", "|")),
    ("headers in another case", "jobs.csv", csv(R, head=H.title())),
    (
        "headers nearly right",
        "jobs.csv",
        csv(R, head=H.replace("session_id", "Session ID").replace("sound_volume", "sound_vol")),
    ),
    ("a short word for a header", "jobs.csv", csv(R, head=H.replace("sound_start_time", "start"))),
    ("a column twice", "jobs.csv", csv(R + ",1", head=H + ",face_id")),
    ("a decimal comma", "jobs.csv", csv(R.replace(",1,1", ',"0,5",1'))),
    (
        "decimal commas with semicolons",
        "jobs.csv",
        csv(R.replace(",1,1", ";0.5;1").replace(",", ";").replace("0.5", "0,5"), head=H.replace(",", ";")),
    ),
    ("a decimal comma out of quotes", "jobs.csv", csv(R.replace(",1,1", ",0,5,1"))),
    ("a quote that is never closed", "jobs.csv", csv('"' + R)),
    ("Latin-1", "jobs.csv", csv(R.replace(",0,825", ",é,825")).encode("latin-1")),
    ("a row of an id that Excel rounded", "jobs.csv", csv(R.replace("825465778199224380", "8.25466E+17"))),
    ("the same in German", "jobs.csv", csv(R.replace("825465778199224380", '"8,25466E+17"'))),
    ("an id that pandas took for a float", "jobs.csv", csv(R.replace("825451760499568680", "825451760499568680.0"))),
    ("an id of fifteen digits and zeros", "jobs.csv", csv(R.replace("825451760499568680", "825451760499568000"))),
    ("a formula for an id", "jobs.csv", csv(R.replace("825451760499568680", '"=""825451760499568680"""'))),
    ("a thousands separator in an id", "jobs.csv", csv(R.replace("825451760499568680", '"825,451,760"'))),
    ("an id as a number", "jobs.jsonl", line(session_id=825465778199224380)),
    ("nan for an id", "jobs.jsonl", line(audio_id="nan")),
    ("None for an id", "jobs.csv", csv(R.replace("825451760499568680", "None"))),
    ("a broken reference", "jobs.csv", csv(R.replace(",0,5000", ",#REF!,5000"))),
    ("N/A for a URL", "jobs.jsonl", line(audio_id=..., sound_file="N/A")),
    ("an invisible character in an id", "jobs.jsonl", line(external_task_id="ep1\u200b-1")),
    ("an invisible character in a session", "jobs.jsonl", line(session_id="\ufeff825465778199224380")),
    ("seconds for milliseconds", "jobs.jsonl", line(sound_end_time=5.25)),
    ("seconds that are whole", "jobs.jsonl", line(sound_end_time=5)),
    ("a clock's time", "jobs.csv", csv(R.replace(",5000,", ",0:05,"))),
    ("a number in quotes", "jobs.jsonl", line(sound_end_time="5000")),
    ("an end before its start", "jobs.jsonl", line(sound_start_time=5000, sound_end_time=1000)),
    ("a negative end", "jobs.jsonl", line(sound_end_time=-1)),
    ("no end to a sound of unknown length", "jobs.jsonl", line(sound_end_time=...)),
    ("no sound at all", "jobs.jsonl", line(audio_id=...)),
    ("no sound and no end", "jobs.jsonl", line(audio_id=..., sound_end_time=...)),
    ("two sounds", "jobs.jsonl", line(sound_file=URL + ".mp3")),
    ("a path under sound_file", "jobs.jsonl", line(audio_id=..., sound_file="clips/line-1.mp3")),
    ("a name without an ending under sound_file", "jobs.jsonl", line(audio_id=..., sound_file="line one")),
    ("a sound that is not there", "jobs.jsonl", line(audio_id=..., sound_path="clips/line-1.mp3")),
    ("a URL under sound_path", "jobs.jsonl", line(audio_id=..., sound_path=URL + ".mp3")),
    ("backslashes in a path", "jobs.jsonl", line(audio_id=..., sound_path="clips\\line-1.mp3")),
    ("a folder for a sound", "jobs.jsonl", line(audio_id=..., sound_path=".")),
    ("a data URL", "jobs.jsonl", line(audio_id=..., sound_file="data:audio/mp3;base64,QUJD")),
    ("a page for a sound", "jobs.jsonl", line(audio_id=..., sound_path="page.mp3")),
    ("a sound that is too short", "jobs.jsonl", line(audio_id=..., sound_path="short.wav", sound_end_time=...)),
    ("a misspelt field", "jobs.jsonl", line(calback_url=URL)),
    ("another word for a field", "jobs.jsonl", line(sound_volume=..., volume=2)),
    ("a face's field beside face_choose", "jobs.jsonl", line(face_choose=[{}])),
    (
        "a line of results",
        "jobs.jsonl",
        json.dumps({"external_task_id": "ep1-1", "outcome": "accepted", "task_id": "1", "attempts": 1, "refusals": 0})
        + "\n",
    ),
    ("a comma behind every object", "jobs.jsonl", line().strip() + ",\n"),
    ("a Python dictionary", "jobs.jsonl", str(GOOD) + "\n"),
    ("NaN in JSON", "jobs.jsonl", line().replace("5000", "NaN")),
    ("two objects in a line", "jobs.jsonl", line().strip() + line()),
    ("one id for two jobs", "jobs.jsonl", line() + line(sound_volume=2)),
    ("an id with a blank", "jobs.jsonl", line(external_task_id="ep1 1")),
    ("a watermark that is a word", "jobs.csv", csv(R + ",yes", head=H + ",watermark_info")),
    ("a callback without a scheme", "jobs.jsonl", line(callback_url="example.com/hook")),
    ("a dotted name too deep", "jobs.jsonl", line(**{"extra_body.a.b": 1})),
    ("escape sequences", "jobs.jsonl", line(sound_end_time="\x1b[2J\x1b[31mall accepted")),
    ("an index column", "jobs.csv", csv("0," + R, "1," + R.replace("5000", "6000"), head="," + H)),
    ("two empty trailing columns", "jobs.csv", csv(R + ",,", head=H + ",,")),
    ("a note", "jobs.jsonl", line(note="take 1")),
    ("a column named id", "jobs.csv", csv("7," + R, head="id," + H)),
    ("a URL of this machine", "jobs.jsonl", line(audio_id=..., sound_file="http://localhost:8000/a.mp3")),
    ("a share page", "jobs.jsonl", line(audio_id=..., sound_file="https://drive.google.com/file/d/1/view")),
    ("a share link", "jobs.jsonl", line(audio_id=..., sound_file="https://www.dropbox.com/s/1/a.mp3?dl=0")),
    ("an Ogg at a URL", "jobs.jsonl", line(audio_id=..., sound_file=URL + ".ogg")),
    ("a URL that has ended", "jobs.jsonl", line(audio_id=..., sound_file=URL + ".mp3?Signature=1&Expires=1500000000")),
    ("a signed URL and no id", "jobs.jsonl", line(external_task_id=..., audio_id=..., sound_file=URL + ".mp3?token=1")),
    ("a backslash in a URL", "jobs.jsonl", line(audio_id=..., sound_file="https://clips.example.com\\a.mp3")),
    ("UTF-16 with tabs", "jobs.txt", ("\ufeff" + csv(R).replace(",", "\t")).encode("utf-16-le")),
    ("UTF-16 without a mark", "jobs.jsonl", line().encode("utf-16-be")),
    ("sep=;", "jobs.csv", "sep=;\n" + csv(R).replace(",", ";")),
    ("CSV under a JSONL name", "jobs.jsonl", csv(R)),
    ("JSONL under a CSV name", "jobs.csv", line()),
    ("only what must be given", "jobs.csv", "session_id,face_id,sound_path\n825465778199224380,0,good.wav\n"),
    ("a video instead of a session", "jobs.jsonl", video()),
    (
        "a video and a text in a table",
        "jobs.csv",
        f"video_url,face,text,voice_id,speed\n{FILM},first,Good morning.,v-1,1.2\n",
    ),
    ("the same in the call's own form", "jobs.jsonl", nested(text="Good morning.", voice_id="v-1")),
    ("a video twice", "jobs.jsonl", video(video_id="86")),
    ("a video beside a session", "jobs.jsonl", line(video_url=FILM, face="first")),
    ("a face's id beside a video", "jobs.jsonl", video(face_id="0")),
    ("a video's address that is a path", "jobs.jsonl", video(video_url="films/a.mp4")),
    ("a video that lies here", "jobs.jsonl", video(video_url=..., video_path="good.mp4")),
    ("N/A for a video", "jobs.jsonl", video(video_url="N/A")),
    ("nan for a face", "jobs.jsonl", video(face="nan")),
    ("a face as a number", "jobs.jsonl", video(face=0)),
    ("a video's id that Excel rounded", "jobs.csv", "video_id,sound_path\n8.25466E+17,good.wav\n"),
    ("a WebM at a URL", "jobs.jsonl", video(video_url="https://films.example.com/a.webm")),
    ("a video's URL that has ended", "jobs.jsonl", video(video_url=FILM + "?Signature=1&Expires=1500000000")),
    ("signed URLs of a video and a sound", "jobs.jsonl", video(external_task_id=..., video_url=FILM + "?token=1")),
    ("a text and no voice", "jobs.jsonl", spoken(voice_id=...)),
    ("a voice and no text", "jobs.jsonl", spoken(text=...)),
    ("a text that is too long", "jobs.jsonl", spoken(text="a" * 1001)),
    ("a text of blanks", "jobs.jsonl", spoken(text="  ")),
    ("a text as a number", "jobs.jsonl", spoken(text=7)),
    ("a speed of three", "jobs.jsonl", spoken(speed=3)),
    ("a speed with a comma", "jobs.csv", f'video_url,text,voice_id,speed\n{FILM},Good morning.,v-1,"1,2"\n'),
    ("a text beside a sound", "jobs.jsonl", line(text="Good morning.", voice_id="v-1")),
    ("a column Text beside sounds", "jobs.csv", csv(R + ",Good morning.", head=H + ",Text")),
    ("a video's column nearly right", "jobs.csv", f"Video URL,Face,sound_path\n{FILM},first,good.wav\n"),
    ("times of a text that cannot be", "jobs.jsonl", spoken(sound_start_time=-1, sound_insert_time=-5)),
    (
        "a text and a session",
        "jobs.jsonl",
        line(audio_id=..., sound_end_time=..., text="Good morning.", voice_id="v-1"),
    ),
]


def told(path: Path) -> list[str]:
    """All that is said of a list."""
    said: list[str] = []
    try:
        with JobList.open(path) as jobs:
            report = jobs.check(tell=lambda fault: said.append(str(fault)))
    except JobListError as error:
        return [str(error), *(f"  {fault}" for fault in error.violations)]
    said += [f"warning: {warned.first}" for warned in report.warnings.values()]
    return said or [f"{report.jobs} job, {report.units:g} units"]


def expected() -> dict[str, list[str]]:
    """The table, by the name of the list."""
    found: dict[str, list[str]] = {}
    for text in TOLD.read_text("utf-8").splitlines():
        if text.startswith("## "):
            found[text[3:]] = []
        elif text:
            next(reversed(found.values())).append(text[4:])
    return found


@pytest.mark.parametrize(("name", "file", "content"), LISTS, ids=[name for name, *_ in LISTS])
def test_an_odd_list(
    name: str, file: str, content: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said of it."""
    monkeypatch.chdir(tmp_path)
    Path("page.mp3").write_bytes(b"<html>")
    Path("short.wav").write_bytes(wav(b"\1\2" * 8000))
    Path("good.wav").write_bytes(wav())
    Path(file).write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    assert [text.replace(str(tmp_path), "DIR") for text in told(Path(file))] == expected()[name]


def test_the_table_is_whole() -> None:
    """Every list has its words, and no word is left of a list that is gone."""
    assert list(expected()) == [name for name, *_ in LISTS]
    assert len(LISTS) >= 40


def test_no_message_speaks_of_the_builder() -> None:
    """Who writes a list knows fields, not methods."""
    words = TOLD.read_text("utf-8")
    assert not any(word in words for word in ("audio_file(", "audio_bytes(", "window(", "True", "LipSyncRequest"))


def test_a_folder_is_no_list(tmp_path: Path) -> None:
    """Nor is what is not there."""
    with pytest.raises(JobListError, match="is a folder: give the list itself"):
        JobList.open(tmp_path)
    with pytest.raises(JobListError, match="cannot be read: No such file"):
        JobList.open(tmp_path / "none.csv")
