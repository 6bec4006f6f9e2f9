"""Journals of batches that never ran, of any size and with something of everything: for tests and benchmarks."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from lipsync_async.dispatch.pacebook import PACES
from lipsync_async.dispatch.paces import PaceHistory, PaceSample
from lipsync_async.endings import (
    Download,
    Downloaded,
    DownloadFailed,
    DownloadKind,
    Ended,
    FailureKind,
    Succeeded,
    TaskFailed,
    TaskLost,
    Video,
)
from lipsync_async.journal import Entry, Record, State, Store, Try
from lipsync_async.journal.entries import to_row
from lipsync_async.tasks.learning import Lesson
from lipsync_async.tasks.taskbook import LEARNED, VIDEO, to_entry

GATEWAY = "https://api.chainhub.tech"
BEGUN = 1_790_000_000.0
"""Unix seconds of the first submit."""
EVERY = 0.05
"""Seconds between two jobs."""
_GROUP = 2_000
_REASONS = (
    (FailureKind.CONTENT, "the sound violates the content policy / 内容违规"),
    (FailureKind.MEDIA, "no face in 1200 ms of the window"),
    (FailureKind.CAPACITY, "resource limit"),
    (FailureKind.UNKNOWN, ""),
)
_REJECTED = (
    ("invalid_request", 400, 1201, "face_choose.sound_end_time is beyond the video"),
    ("content_policy", 400, 1301, "提示词包含违规内容"),
)


def lasting(place: int) -> float:
    """Seconds that the task of the job at this place takes."""
    return 60.0 + 120.0 * (place * 0.6180339887 % 1.0)


def record(name: str, state: State, **values: object) -> Record:
    """A job's page."""
    return Record(external_task_id=name, fingerprint=b"f" * 16, state=state, **values)  # type: ignore[arg-type]


def ended_of(job: Record, **values: object) -> Succeeded:
    """The success of an accepted job, with a URL that is a secret."""
    url = f"https://cdn.example.com/{job.task_id}.mp4?Expires=1790003600&Signature=SECRET{job.task_id}"
    given: dict[str, object] = {
        "videos": (Video(url=url, seconds=5.1),),
        "seconds": 5.1,
        "units": "0.5",
        "estimated_units": 0.5,
    }
    return Succeeded(task_id=job.task_id or "", external_task_id=job.external_task_id, **{**given, **values})  # type: ignore[arg-type]


def put(store: Store, jobs: Iterable[Record], endings: Iterable[Ended] = (), videos: Iterable[Download] = ()) -> None:
    """Writes all of it."""
    store.write(list(jobs))
    kept = [to_entry(ending, ending.external_task_id or "") for ending in endings]
    kept += [
        Entry(kind=VIDEO, name=video.external_task_id or "", state=video.name, value=msgspec.json.encode(video))
        for video in videos
    ]
    if kept:
        store.keep([to_row(entry) for entry in kept])


def learned(store: Store, lessons: Iterable[Lesson]) -> None:
    """What was found out about the gateway."""
    entry = Entry(kind=LEARNED, name=LEARNED, state="", value=msgspec.json.encode(list(lessons)))
    store.keep([to_row(entry)])


def paces(store: Store, *clients: Iterable[PaceSample]) -> None:
    """What each client's pacer learned."""
    for number, samples in enumerate(clients, 1):
        history = PaceHistory()
        for sample in samples:
            history.add(sample)
        entry = Entry(kind=PACES, name=f"\x01run-{number}", state="", value=history.to_bytes())
        store.keep([to_row(entry)])


def sampled(seconds: float) -> Iterator[PaceSample]:
    """A pacer that is refused at 37.2 a second, then finds 19.8 and tries a little more now and then; 20 tasks run."""
    for second in range(int(seconds) + 1):
        found = second > 3
        pace = (19.8 if second % 25 else 21.4) if found else 9.3 * 2.0**second
        held = ("rate", "rate", "running tasks", "gate")[second % 4]
        yield PaceSample(BEGUN + second, pace, 20 if second > 20 else None, held, found=found)


def write(path: Path, count: int, *, folder: str = "/srv/dub/videos", seed: int = 5) -> Path:
    """A batch of so many jobs that ran into everything, most of it fetched into that folder."""
    with Store(path, gateway=GATEWAY) as store:
        jobs = iter(_jobs(count, folder, random.Random(seed)))
        while some := list(islice(jobs, _GROUP)):
            put(
                store,
                [job for job, _, _ in some],
                [ending for _, ending, _ in some if ending is not None],
                [video for _, _, video in some if video is not None],
            )
        learned(
            store, [Lesson(lasting(n), 5.0, lasting(n) + 6 * (n % 4), lasting(n) + 20) for n in range(min(count, 200))]
        )
        paces(store, sampled(count * EVERY))
    return path


def _jobs(count: int, folder: str, dice: random.Random) -> Iterator[tuple[Record, Ended | None, Download | None]]:
    for place in range(count):
        name, chance = f"ep{place // 1000:03d}-line-{place % 1000:04d}", dice.random()
        at = BEGUN + place * EVERY
        sent = {"attempts": 1, "first_intent_at": at, "last_intent_at": at, "line": place + 1}
        if chance < 0.02:
            yield _without_task(name, at, sent, dice), None, None
            continue
        waits = dice.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 2))
        history = tuple(Try(1, at - 2.0 * wait, "answered", "rate", 429, 1302) for wait in range(waits))
        job = record(
            name, State.ACCEPTED, task_id=f"{860000000000000000 + place}", refusals=waits, history=history, **sent
        )
        yield job, *_ended(job, at + lasting(place), folder, dice)


def _without_task(name: str, at: float, sent: Mapping[str, object], dice: random.Random) -> Record:
    state = dice.choice((State.REJECTED, State.REJECTED, State.UNKNOWN, State.OPEN, State.NOT_SENT, State.CLEARED))
    if state is State.REJECTED:
        kind, status, code, message = dice.choice(_REJECTED)
        return record(name, state, kind=kind, http_status=status, code=code, message=message, **sent)
    if state is State.UNKNOWN:
        tries = (Try(1, at, "sent", "timeout"),)
        return record(name, state, kind="timeout", message="no answer within 120 s", history=tries, **sent)
    return record(name, state, **sent)


def _ended(job: Record, at: float, folder: str, dice: random.Random) -> tuple[Ended | None, Download | None]:
    name, task_id = job.external_task_id, job.task_id or ""
    chance = dice.random()
    if chance < 0.01:
        return None, None
    if chance < 0.03:
        kind, reason = dice.choice(_REASONS)
        told = {"task_id": task_id, "external_task_id": name, "estimated_units": 0.5}
        return TaskFailed(**told, kind=kind, reason=reason, units="0"), None  # type: ignore[arg-type]
    if chance < 0.031:
        return TaskLost(task_id=task_id, external_task_id=name, estimated_units=0.5), None
    ending = ended_of(job, ended_at=at)
    if chance < 0.036:
        message = "the server answered 403"
        return ending, DownloadFailed(
            external_task_id=name, task_id=task_id, kind=DownloadKind.EXPIRED, message=message, tries=3
        )
    if chance < 0.04:
        return ending, None
    path = f"{folder}/{name}.mp4"
    return ending, Downloaded(external_task_id=name, task_id=task_id, path=path, size=2_400_000, seconds=1.5)
