"""`submit --wait` killed at random moments, and a comparison of result lines, journal and the gateway's ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field

from lipsync_async.journal import Reader, State
from lipsync_async.sandbox import Sandbox, in_thread
from lipsync_async.tasks.taskbook import read_ending
from lipsync_async.tasks.ties import TASK
from tests.makers import REQUEST

from .crashes import ROOT

CHILD = "tests.loopback.wait_child"
ENDINGS = {"succeed": "succeeded", "failed": "failed"}
"""What the ledger calls an end, and the name of the ending."""
LAST_RUN = 240.0
"""Seconds that a run may take that nobody kills."""


@define
class Account:
    """What result lines, journal and ledger say at the end; every text in `faults` is one that may not be."""

    kills: int
    runs: int
    creates: int
    queries: int
    lost_replies: int
    recovered: int
    told: dict[str, int]
    """Result lines of the last run, counted by outcome."""
    told_early: int
    """Result lines of the runs that were killed."""
    seconds: float
    faults: list[str] = field(factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.runs} runs, {self.creates} creates, {self.queries} queries, "
            f"{self.lost_replies} replies lost, {self.recovered} recovered; told {self.told}, and {self.told_early} "
            f"lines before kills; {self.seconds:.1f} s; {len(self.faults)} faults {self.faults[:5]}"
        )


class Stand:
    """A sandbox, a list and a journal, and the runs of the command."""

    def __init__(
        self,
        directory: Path,
        *,
        jobs: int,
        per_second: float,
        task_seconds: tuple[float, float],
        seed: int,
        download: bool = False,
        **options: Any,
    ) -> None:
        usual: dict[str, Any] = {
            "faults": {"lose_reply": 0.05},
            "file_faults": {"cut_once": 0.2, "stale_url": 0.1, "html_200": 0.1} if download else {},
            "video_bytes": 200_000 if download else 0,
            "max_running_tasks": 20 if download else None,
            "duplicates": "accept",
            "latency": 0.02,
            "task_seconds": task_seconds,
            "failed_share": 0.1,
            "seed": seed,
        }
        self.sandbox = Sandbox(**{**usual, **options})
        self.jobs = jobs
        self.journal = directory / "run.db"
        self.outs: list[Path] = []
        self._directory = directory
        self._list = directory / "jobs.jsonl"
        self._list.write_text("".join(map(self.line, range(jobs))), encoding="utf-8")
        self._pace = ("--max-in-flight", "16", "--max-per-second", str(per_second), "--timeout", "5")
        self.videos = directory / "videos" if download else None
        self._fetch = () if self.videos is None else ("--download", str(self.videos))
        self._looks = ("--first-look", str(task_seconds[1]), "--max-queries-per-second", "200")

    def line(self, number: int) -> str:
        """A job of the list."""
        return _line(number)

    def killed(self) -> None:
        """A run was killed just now."""

    def submit(self) -> subprocess.Popen[str]:
        """A run of the whole list."""
        return self._start(
            "submit", str(self._list), "--wait", "--journal", str(self.journal), *self._pace, *self._fetch
        )

    def wait(self) -> subprocess.Popen[str]:
        """A run that goes on from the journal alone."""
        return self._start("wait", str(self.journal), "--timeout", "5", *self._fetch)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        self.outs.append(self._directory / f"results-{len(self.outs)}.jsonl")
        command = [sys.executable, "-m", CHILD, self.sandbox.base_url, *arguments, *self._looks]
        command += ["--trust-lookup", "--quiet", "--out", str(self.outs[-1])]
        environment = {**os.environ, "LIPSYNC_API_KEY": self.sandbox.api_key}
        return subprocess.Popen(command, cwd=ROOT, env=environment, text=True)

    def requests(self) -> int:
        """Creates and queries that have arrived."""
        return self.sandbox.ledger.requests + self.sandbox.ledger.queries

    def lines(self, number: int) -> list[dict[str, Any]]:
        """The whole result lines of a run."""
        if not self.outs[number].exists():
            return []
        text = self.outs[number].read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def run(
    directory: Path,
    *,
    jobs: int,
    kills: int,
    seed: int,
    per_second: float,
    task_seconds: tuple[float, float],
    life: float = 0.5,
    download: bool = False,
) -> Account:
    """Kills runs, each within `life` seconds of its first request; then one runs to its end, and `wait` after it."""
    dice = Random(f"waits-{seed}")
    stand = Stand(directory, jobs=jobs, per_second=per_second, task_seconds=task_seconds, seed=seed, download=download)
    return play(stand, dice, kills, life)


def play(stand: Stand, dice: Random, kills: int, *lives: float) -> Account:
    """The same with a stand that is made already; each run is killed within the next of these lives, then the last."""
    began, killed = time.monotonic(), 0
    with in_thread(stand.sandbox):
        while killed < kills and len(stand.outs) < 3 * kills:
            killed += _run_and_kill(
                stand, dice.uniform(0.0, lives[min(killed, len(lives) - 1)]), early=dice.random() < 0.1
            )
        codes = [_run_to_end(stand.submit())]
        requests = stand.requests()
        codes.append(_run_to_end(stand.wait()))
        account = _compare(stand, killed, time.monotonic() - began)
        if stand.requests() != requests:
            account.faults.append(f"`wait` asked {stand.requests() - requests} times for what was on record")
    failed = any(line["outcome"] == "failed" for line in stand.lines(-1))
    if codes != [int(failed)] * 2:
        account.faults.append(f"exit codes {codes}")
    return account


def _line(number: int) -> str:
    (face,) = REQUEST.face_choose
    line: dict[str, object] = {"session_id": REQUEST.session_id, "face_id": face.face_id}
    line |= {"audio_id": f"82545176049956{number + 1:04}7", "sound_insert_time": 1000}
    line |= {"sound_start_time": 0, "sound_end_time": 5000}
    return json.dumps(line) + "\n"


def _run_and_kill(stand: Stand, life: float, *, early: bool) -> bool:
    """Returns True if the run was killed, and False if it had ended before."""
    before = stand.requests()
    with stand.submit() as child:
        while not early and child.poll() is None and stand.requests() == before:
            time.sleep(0.005)
        try:
            child.wait(life)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            stand.killed()
            return True
    assert child.returncode in {0, 1}, child.returncode
    return False


def _run_to_end(child: subprocess.Popen[str]) -> int:
    with child:
        try:
            return child.wait(LAST_RUN)
        except subprocess.TimeoutExpired:
            child.kill()
            raise


def _compare(stand: Stand, kills: int, seconds: float) -> Account:
    ledger = stand.sandbox.ledger
    with Reader(stand.journal) as reader:
        records = {record.external_task_id: record for record in reader.records()}
        kept = {entry.name: read_ending(entry) for entry in reader.entries(TASK)}
    *killed, submitted, waited = map(stand.lines, range(len(stand.outs)))
    account = Account(
        kills=kills,
        runs=len(stand.outs),
        creates=ledger.tasks,
        queries=ledger.queries,
        lost_replies=ledger.faults.get("lose_reply", 0),
        recovered=sum(record.recovered for record in records.values()),
        told=dict(Counter(line["outcome"] for line in submitted)),
        told_early=sum(map(len, killed)),
        seconds=seconds,
    )
    made = {entry.external_task_id: (entry.task_id, ENDINGS.get(entry.status, "")) for entry in ledger.entries}
    faults = account.faults
    faults += [] if stand.videos is None else _file_faults(stand, stand.videos, submitted, waited)
    faults += [f"{name} was paid for {count} times" for name, count in ledger.duplicates.items()]
    booked = {name: it.task_id for name, it in records.items()}
    faults += _differences("journal", {name: task_id for name, (task_id, _) in made.items()}, booked)
    faults += [f"{it.external_task_id} is {it.state}" for it in records.values() if it.state is not State.ACCEPTED]
    faults += _differences("endings", made, {name: (it.task_id, it.name) for name, it in kept.items() if it})
    for word, lines in (("submit", submitted), ("wait", waited)):
        faults += _differences(word, made, _told(lines))
        faults += [f"{word}: {len(lines)} lines for {stand.jobs} jobs"] if len(lines) != stand.jobs else []
    for lines in killed:
        faults += [f"told otherwise before: {name}" for name, it in _told(lines).items() if made.get(name) != it]
        faults += [f"told twice in a run: {len(lines)} lines"] if len(_told(lines)) != len(lines) else []
    return account


def _file_faults(stand: Stand, videos: Path, *runs: list[dict[str, Any]]) -> list[str]:
    """Every video is there, whole, under its name and nothing else is; no stranger saw the key."""
    wanted = {f"{it.external_task_id}.mp4" for it in stand.sandbox.ledger.entries if it.ending == "succeed"}
    found = {path.name for path in videos.iterdir()}
    faults = [f"a file: {name}" for name in sorted(wanted ^ found)]
    faults += [f"{name} has {(videos / name).stat().st_size} bytes" for name in found if not _is_whole(videos / name)]
    for lines in runs:
        paths = {str(videos / name) for name in wanted}
        told = {line["video_path"] for line in lines if line["outcome"] == "succeeded"}
        faults += [f"told and not there, or there and not told: {path}" for path in sorted(map(str, told ^ paths))]
    return faults + [f"{request} leaked" for request in stand.sandbox.ledger.files if request.leaked]


def _is_whole(path: Path) -> bool:
    data = path.read_bytes()
    return len(data) == 200_000 and data[4:8] == b"ftyp"


def _told(lines: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {line["external_task_id"]: (line["task_id"], line["outcome"]) for line in lines}


def _differences(word: str, made: dict[str, Any], other: dict[str, Any]) -> list[str]:
    names = [name for name in made | other if made.get(name) != other.get(name)]
    return [f"{word}: {name}: {made.get(name)} and {other.get(name)}" for name in names]
