"""Typical mistakes, and what is really said of each: `python -m tests.mistakes` writes `docs/mistakes.md` anew."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shlex
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

import lipsync_async
from lipsync_async import LipSyncClient, LipSyncError, RequestBuilder, RetryPolicy
from lipsync_async.cli import main
from lipsync_async.gateways import GATEWAYS
from lipsync_async.journal import Store
from lipsync_async.sandbox import Sandbox, in_thread

PAGE = Path(__file__).parent.parent / "docs" / "mistakes.md"
BASE = "http://127.0.0.1:8904"
"""Stands for the sandbox's address."""
SUBMIT = f"lipsync-async submit jobs.jsonl --gateway {BASE}"


@frozen
class Mistake:
    """One mistake: what was meant, what was typed, and what lies in the folder."""

    what: str
    typed: str
    """A command, or some lines of Python."""
    files: Mapping[str, str | bytes] = {}
    key: str | None = "sandbox-key"
    """What LIPSYNC_API_KEY holds; None: it is not set."""


def line(number: int = 1, **changes: object) -> str:
    """A line of a list; a change to None leaves a field out."""
    job = {
        "external_task_id": f"scene-{number}",
        "session_id": "825465778199224380",
        "face_id": "0",
        "audio_id": "825451760499568680",
        "sound_start_time": 0,
        "sound_end_time": 5000,
    }
    return json.dumps({name: value for name, value in {**job, **changes}.items() if value is not None}) + "\n"


def jobs(*lines: str) -> dict[str, str | bytes]:
    """A folder with that list."""
    return {"jobs.jsonl": "".join(lines or (line(),))}


def table(text: str) -> dict[str, str | bytes]:
    """A folder with that CSV."""
    return {"jobs.csv": textwrap.dedent(text).lstrip()}


HUNDRED = range(1, 101)
CSV = f"lipsync-async submit jobs.csv --gateway {BASE}"
COMMANDS = (
    Mistake("no key is set", "lipsync-async submit jobs.jsonl --gateway chainhub", jobs(), key=None),
    Mistake("the key is wrong", SUBMIT + " --out out.jsonl", jobs(), key="sk-old"),
    Mistake("the gateway's name has a slip", "lipsync-async submit jobs.jsonl --gateway chanhub", jobs()),
    Mistake("an address without its scheme", "lipsync-async submit jobs.jsonl --gateway 127.0.0.1:8904", jobs()),
    Mistake("an address with the route behind it", SUBMIT + "/kling/v1/videos", jobs()),
    Mistake("no gateway is named", "lipsync-async submit jobs.jsonl", jobs()),
    Mistake("an option has a slip", SUBMIT + " --jurnal run.db", jobs()),
    Mistake("a command has a slip", "lipsync-async submti jobs.jsonl"),
    Mistake("the list is not there", SUBMIT),
    Mistake("the list is a folder", f"lipsync-async submit . --gateway {BASE}"),
    Mistake(
        "a workbook in place of a CSV file",
        f"lipsync-async submit jobs.xlsx --gateway {BASE}",
        {"jobs.xlsx": b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml"},
    ),
    Mistake("a JSON array in place of lines", SUBMIT, {"jobs.jsonl": f"[\n{line().strip()}\n]\n"}),
    Mistake(
        "a column's name has a slip",
        CSV,
        table("""
            external_task_id,Session ID,face_id,audio_id,sound_end_time
            scene-1,825465778199224380,0,825451760499568680,5000
            """),
    ),
    Mistake(
        "a column is missing",
        CSV,
        table("""
            external_task_id,face_id,audio_id,sound_end_time
            scene-1,0,825451760499568680,5000
            scene-2,0,825451760499568680,5000
            scene-3,0,825451760499568680,5000
            """),
    ),
    Mistake(
        "a spreadsheet rounded an id",
        CSV,
        table("""
            external_task_id,session_id,face_id,audio_id,sound_end_time
            scene-1,8.25E+17,0,825451760499568680,5000
            """),
    ),
    Mistake("one bad line of 100", SUBMIT, jobs(*(line(n, sound_end_time=900 if n == 37 else 5000) for n in HUNDRED))),
    Mistake("times in seconds", SUBMIT, jobs(line(sound_end_time=5))),
    Mistake("a line that is cut off", SUBMIT, jobs(line(), '{"external_task_id": "scene-2",\n')),
    Mistake("a sound that is not there", SUBMIT, jobs(line(audio_id=None, sound_path="line-1.mp3"))),
    Mistake(
        "a web page that was saved as a sound",
        SUBMIT,
        {**jobs(line(audio_id=None, sound_path="line-1.mp3")), "line-1.mp3": "<!DOCTYPE html><html></html>\n" * 60},
    ),
    Mistake("one id for two contents", SUBMIT, jobs(line(), line(sound_end_time=6000))),
    Mistake("an id with a blank in it", SUBMIT, jobs(line(external_task_id="scene 1"))),
    Mistake("half a volume at a gateway that takes none", SUBMIT, jobs(line(sound_volume=0.5))),
    Mistake("another gateway's journal", "lipsync-async submit jobs.jsonl --gateway kling --journal run.db", jobs()),
    Mistake("the journal is not there", "lipsync-async status run-2.db"),
    Mistake("results over the list", SUBMIT + " --out jobs.jsonl", jobs()),
)  # fmt: skip
CALLS = (
    Mistake("`build()` was forgotten", "await client.submit(builder)"),
    Mistake("a dict for a request", 'await client.submit({"session_id": "825465778199224380"})'),
    Mistake("one request for a list", "await client.submit_many(request)"),
    Mistake("a list for one request", "await client.submit([request])"),
    Mistake("a path for a list", 'await client.submit_many("jobs.jsonl")'),
    Mistake("None for a list", "await client.submit_many(None)"),
    Mistake("a dict of settings", f'LipSyncClient("{BASE}", limits={{"max_in_flight": 4}})'),
    Mistake("a text where a number belongs", 'Limits(max_in_flight="4")'),
    Mistake("a text where a time belongs", 'builder.window(0, "5000").build()'),
    Mistake("a number where an id belongs", "builder.session(825465778199224380).build()"),
    Mistake("the sound is not there", 'builder.audio_file("line-1.mp3").build()'),
    Mistake("a client that was stopped", "client.stop() or await client.submit(request)"),
    Mistake("nobody answers", "await nobody.submit(request)"),
    Mistake("the key is wrong", "await client.submit(request)", key="sk-old"),
    Mistake("a wait for nothing", "await client.wait(None)"),
)


def said(mistake: Mistake, sandbox: Sandbox) -> list[str]:
    """What is really said: the lines of the command, or the error's type and text."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    if mistake.key is not None:
        environment["LIPSYNC_API_KEY"] = mistake.key
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name, content in mistake.files.items():
            Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        Store("run.db", gateway="https://api.chainhub.tech").close()
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(environment)
        try:
            typed = mistake.typed.replace(BASE, sandbox.base_url)
            is_command = typed.startswith("lipsync-async ")
            text = _command(typed) if is_command else asyncio.run(_python(typed, sandbox.base_url))
        finally:
            os.environ.clear()
            os.environ.update(before)
        text = text.replace(f"{os.path.realpath(folder)}/", "").replace(f"{folder}/", "")
    for ours, theirs in ((sandbox.base_url, BASE), (sandbox.base_url[7:], BASE[7:])):
        text = text.replace(ours, theirs)
    return text.splitlines()


def _command(typed: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), suppress(SystemExit):
        main(shlex.split(typed)[1:])
    return out.getvalue() + err.getvalue()


async def _python(typed: str, base_url: str) -> str:
    names: dict[str, Any] = {name: getattr(lipsync_async, name) for name in lipsync_async.__all__}
    names["builder"] = RequestBuilder().session("8").face("0").audio_id("8").window(0, 5000).external_task_id("scene-1")
    names["request"] = names["builder"].build()
    retry = RetryPolicy(max_attempts=1)
    async with LipSyncClient(base_url) as client, LipSyncClient("http://127.0.0.1:1", retry=retry) as nobody:
        names |= {"client": client, "nobody": nobody}
        exec(compile(f"async def run():\n    return {typed}\n", "a mistake", "exec"), names)
        try:
            await names["run"]()
        except LipSyncError as error:
            return f"{type(error).__name__}: {error}"
    return "nothing"


def page(sandbox: Sandbox) -> str:
    """The whole page."""
    commands = "\n".join(_row(mistake, said(mistake, sandbox)) for mistake in COMMANDS)
    calls = "\n".join(_row(mistake, said(mistake, sandbox)) for mistake in CALLS)
    return TEXT % (commands, calls)


def _row(mistake: Mistake, lines: list[str]) -> str:
    told = "<br>".join(_code(one) for one in lines)
    return f"| {mistake.what}<br>{_code(mistake.typed)} | {told} |"


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text.strip()}{space}{fence}".replace("|", "\\|")


TEXT = f"""\
# Mistakes, and what is said of them

Every message says what happened, where, and what to do.
The tables are made by running each mistake, and a test holds them to what is really said.
`python -m tests.mistakes` writes this page anew.
The gateways are {", ".join(GATEWAYS)}, or a base URL; here it is a sandbox at `{BASE}`.

## At the command line

Nothing was sent in any of these cases but *the key is wrong*, where the gateway refused it.
The exit code is 2, and 3 there.

| mistake | what is said |
|---|---|
%s

## In Python

`builder` is a `RequestBuilder` that has all that a job needs, and `request` is what its `build()` gives;
`client` is an open client, and at the address of `nobody` nobody answers.
All of these are `LipSyncError`s, so one `except` catches them.
Wrong arguments are a `WrongArgumentError`, which is a `TypeError` and a `ValueError` too.

| mistake | what is said |
|---|---|
%s
"""


def write() -> None:
    """Writes the page."""
    with in_thread(Sandbox()) as sandbox:
        PAGE.write_text(page(sandbox), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    write()
