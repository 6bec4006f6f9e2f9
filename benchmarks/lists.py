"""Lists and clips: `check` and a whole list submitted against plain `json` loops, clips of 80 KB, the first byte.

*Submitted* is what the command does with a list, without its display and its file of results: `JobList.check`, then a
`stream` of its lines.  The loops read the same file, or the same clips, and post through one aiohttp session.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import aiohttp
from attrs import evolve

from benchmarks import _child
from benchmarks._pairs import Candidate, Clock, Paired, paired, table, verdict
from benchmarks._server import PATH, nginx
from lipsync_async import Limits, LipSyncClient, LipSyncRequest, RequestBuilder
from lipsync_async.jobs import JobList

LINES, QUICK_LINES = 20_000, 2_000
JOBS, QUICK_JOBS = 1_000, 200
CLIPS, QUICK_CLIPS = 200, 50
PAIRS, QUICK_PAIRS = 12, 2
IN_FLIGHT = 64
CLIP = 80_000
LENGTHS, QUICK_LENGTHS = (10_000, 100_000, 1_000_000), (1_000,)
FAIL, GOAL = (54_000,), (150_000,)
"""Lines a second of `check`: what it was, and what it is to be."""
_BUILDER = RequestBuilder().session("825465778199224380").face("0")


def write_list(path: Path, count: int) -> Path:
    """A list of jobs with audio ids, one JSON object a line."""
    with path.open("w") as out:
        for number in range(count):
            values: dict[str, object] = {"session_id": "825465778199224380", "face_id": "0"}
            values |= {"audio_id": f"82545176{number:08}1", "sound_start_time": 0, "sound_end_time": 5000}
            out.write(json.dumps({**values, "external_task_id": f"job-{number:08}"}) + "\n")
    return path


# --- check ----------------------------------------------------------------------------------------------------------


async def loads(path: Path) -> float:
    with Clock() as clock, path.open("rb") as lines:
        for line in lines:
            json.loads(line)
    return clock.seconds


async def checked(path: Path) -> float:
    with Clock() as clock, JobList.open(path) as jobs:
        assert jobs.check().ok
    return clock.seconds


# --- submit ---------------------------------------------------------------------------------------------------------


async def posted(url: str, bodies: Iterable[bytes]) -> None:
    """The loop that an expert writes: 64 workers share one iterator."""
    left = iter(bodies)
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def work() -> None:
            for body in left:
                async with session.post(url, data=body) as reply:
                    json.loads(await reply.read())

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


def bodies_of(path: Path) -> Iterator[bytes]:
    """Each line as the call's body."""
    with path.open("rb") as lines:
        for line in lines:
            face = json.loads(line)
            outer = {name: face.pop(name) for name in ("session_id", "external_task_id")}
            face |= {"sound_insert_time": 0, "sound_volume": 1, "original_audio_volume": 1}
            yield json.dumps({**outer, "face_choose": [face]}).encode()


async def json_loop(url: str, path: Path) -> float:
    with Clock() as clock:
        await posted(f"{url}{PATH}", bodies_of(path))
    return clock.seconds


async def streamed(url: str, requests: Iterable[LipSyncRequest], journal: str | None) -> int:
    """How many were accepted."""
    limits = Limits(max_in_flight=IN_FLIGHT, initial_per_second=1e6)
    async with (
        LipSyncClient(url, api_key="k", limits=limits) as client,
        client.stream(requests, journal=journal) as outcomes,
    ):
        return len([outcome async for outcome in outcomes if outcome.name == "accepted"])


async def submitted(url: str, path: Path, count: int, *, journal: bool) -> float:
    with tempfile.TemporaryDirectory() as folder, Clock() as clock, JobList.open(path) as jobs:
        assert jobs.check().ok
        requests = (line.request for line in jobs if line.request is not None)
        assert await streamed(url, requests, f"{folder}/run.db" if journal else None) == count
    return clock.seconds


# --- clips ----------------------------------------------------------------------------------------------------------


def clips(count: int) -> list[bytes]:
    """MP3 frames of 128 kbit/s, five seconds, each with a tail of its own."""
    frames = (b"\xff\xfb\x90\x00" + bytes(413)) * (CLIP // 417)
    return [frames[:-8] + number.to_bytes(8, "big") for number in range(count)]


async def base64_loop(url: str, sounds: list[bytes]) -> float:
    def bodies() -> Iterator[bytes]:
        for number, sound in enumerate(sounds):
            face = {"face_id": "0", "sound_file": base64.b64encode(sound).decode()}
            times = {"sound_start_time": 0, "sound_end_time": 4000, "sound_insert_time": 0}
            face_choose = [{**face, **times, "sound_volume": 1, "original_audio_volume": 1}]
            body = {"session_id": "8", "face_choose": face_choose, "external_task_id": f"clip-{number:06}"}
            yield json.dumps(body).encode()

    with Clock() as clock:
        await posted(f"{url}{PATH}", bodies())
    return clock.seconds


async def built(url: str, sounds: list[bytes], *, journal: bool) -> float:
    def requests() -> Iterator[LipSyncRequest]:
        for number, sound in enumerate(sounds):
            builder = _BUILDER.audio_bytes(sound).window(0, 4000)
            yield builder.external_task_id(f"clip-{number:06}").build()

    with tempfile.TemporaryDirectory() as folder, Clock() as clock:
        assert await streamed(url, requests(), f"{folder}/run.db" if journal else None) == len(sounds)
    return clock.seconds


# --- the first byte -------------------------------------------------------------------------------------------------


async def first_byte(count: int, derived: bool) -> float:
    """Seconds from the call of `submit_many` to its first connection; the list is built before."""
    model = _BUILDER.audio_id("9").window(0, 5000).build()
    face = model.face_choose[0]
    jobs = [
        evolve(
            model,
            external_task_id=None if derived else f"job-{number:08}",
            face_choose=(evolve(face, sound_insert_time=number),),
        )
        for number in range(count)
    ]
    heard: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not heard.done():
            heard.set_result(time.perf_counter())
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with LipSyncClient(url, api_key="k") as client:
        gc.collect()
        begun = time.perf_counter()
        call = asyncio.create_task(client.submit_many(jobs))
        seconds = await heard - begun
        call.cancel()
        await asyncio.wait([call])
    server.close()
    return seconds


# --- the tables -----------------------------------------------------------------------------------------------------


def _check_table(folder: Path, quick: bool) -> str:
    count = QUICK_LINES if quick else LINES
    path = write_list(folder / "check.jsonl", count)
    legs = [Candidate("`json.loads` (the base against itself)", partial(loads, path), count)]
    legs.append(Candidate("`check`", partial(checked, path), count))
    found = paired(legs[0], legs, QUICK_PAIRS if quick else PAIRS)

    def row(name: str, figures: Paired) -> tuple[str, ...]:
        speed = 1e6 / figures.microseconds
        judged = name == "`check`"
        bars = (f"{FAIL[0]:,}", f"{GOAL[0]:,}", verdict((speed,), FAIL, GOAL, more_is_better=True))
        return (name, f"{speed:,.0f}", f"{figures.median:.2f}", *(bars if judged else ("", "", "")))

    title = f"A list of {count:,} lines with audio ids (CPU time)"
    head = ("what", "lines a second", "ratio", "fail line", "goal", "verdict")
    return table(title, head, [row(*one) for one in found.items()])


def _ratios(title: str, legs: list[Candidate], pairs: int) -> str:
    found = paired(legs[0], legs, pairs)
    rows = [
        (name, f"{one.median:.2f}", "{:.2f} to {:.2f}".format(*one.quartiles), f"{one.microseconds:.0f}")
        for name, one in found.items()
    ]
    return table(title, ("what", "ratio", "quartiles", "µs a job"), rows)


def _leg(name: str, make: Callable[[], Awaitable[float]], jobs: int) -> Candidate:
    return Candidate(name, make, jobs)  # type: ignore[arg-type]


def _submit_table(folder: Path, url: str, quick: bool) -> str:
    count = QUICK_JOBS if quick else JOBS
    path = write_list(folder / "submit.jsonl", count)
    legs = [
        _leg("`json` loop (the base against itself)", partial(json_loop, url, path), count),
        _leg("ours, checked and submitted", partial(submitted, url, path, count, journal=False), count),
        _leg("ours, with the journal", partial(submitted, url, path, count, journal=True), count),
    ]
    return _ratios(f"A list of {count:,} lines, checked and submitted", legs, QUICK_PAIRS if quick else PAIRS)


def _clips_table(url: str, quick: bool) -> str:
    count = QUICK_CLIPS if quick else CLIPS
    sounds = clips(count)
    legs = [
        _leg("Base64 loop (the base against itself)", partial(base64_loop, url, sounds), count),
        _leg("ours, `build()` and submitted", partial(built, url, sounds, journal=False), count),
        _leg("ours, with the journal", partial(built, url, sounds, journal=True), count),
    ]
    return _ratios(f"Clips of {CLIP // 1000} KB, `build()` inside", legs, QUICK_PAIRS if quick else PAIRS)


def _first_table(quick: bool) -> str:
    def milliseconds(count: int, derived: bool) -> str:
        times = [_child.measured("benchmarks.lists", "first_byte", count, derived) for _ in range(1 if quick else 3)]
        return f"{statistics.median(times) * 1e3:,.0f}"

    lengths = QUICK_LENGTHS if quick else LENGTHS
    rows = [(f"{count:,}", milliseconds(count, False), milliseconds(count, True)) for count in lengths]
    head = ("jobs", "ms, ids given", "ms, ids derived")
    return table("From the call of `submit_many` to its first connection (wall time)", head, rows)


def run(quick: bool = False) -> str:
    """Raises `MissingError` without nginx."""
    with tempfile.TemporaryDirectory() as name, nginx(buffer="256k") as port:
        folder, url = Path(name), f"http://127.0.0.1:{port}"
        parts = [_check_table(folder, quick), _submit_table(folder, url, quick), _clips_table(url, quick)]
    return "\n".join([*parts, _first_table(quick)])
