"""A gateway that identifies faces and speaks texts, as a wire: sessions die, calls are cut off, replies are lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import Any

from attrs import define, field
from multidict import CIMultiDict
from yarl import URL

from lipsync_async.terms import Failure, Kind, Phase, Reply
from lipsync_async.wire import TaskReply, read_reply, read_task
from lipsync_async.wire.flight import Flight
from tests.simulation.replies import EPOCH

DAY = 86_400.0
FACES: dict[str, list[dict[str, Any]]] = {
    "one": [{"face_id": "0", "start_time": 0, "end_time": 60_000}],
    "two": [
        {"face_id": "0", "start_time": 0, "end_time": 59_000},
        {"face_id": "1", "start_time": 0, "end_time": 60_000},
    ],
    "none": [],
}


@define
class Session:
    """What identify-face opened."""

    film: str
    dies: float


@define
class Task:
    """A lip-sync task, by the id of its job."""

    task_id: str
    born: float
    ends: float


@define
class Making:
    """The task of a call, and what comes of it."""

    name: str
    born: float
    ends: float
    made: dict[str, Any]
    seen: bool = False


@define
class FilmGateway:
    """Outlives the runs; `calls` and `creates` are what was acted upon, and so charged."""

    dice: Random
    shows: dict[str, str]
    """By film: which of `FACES`."""
    trouble: float
    lost: float
    """The share of replies to calls and creates that are lost."""
    as_task: bool
    """Calls are answered with a task."""
    sessions: dict[str, Session] = field(factory=dict)
    texts: set[str] = field(factory=set)
    """Audio ids."""
    making: dict[str, Making] = field(factory=dict)
    """By task id."""
    tasks: dict[str, Task] = field(factory=dict)
    creates: Counter[str] = field(factory=Counter)
    calls: Counter[str] = field(factory=Counter)
    """By film or text."""
    unseen: Counter[str] = field(factory=Counter)
    """Calls whose answer nobody saw."""
    deaths: Counter[str] = field(factory=Counter)
    """Sessions that died, by film."""
    looks: list[float] = field(factory=list)
    """When each look at a task of a job came."""
    dead: bool = False

    # -- what a wire offers -----------------------------------------------------------------------------------------

    def watching(self, _: Any) -> AbstractContextManager[None]:
        """No deadlines here."""
        return nullcontext()

    async def list_tasks(self, *_: Any) -> None:
        """There is none."""

    async def has_video(self, *_: Any) -> bool:
        """None is there."""
        return False

    async def post(self, _url: URL, _headers: CIMultiDict[str], body: Any, flight: Flight) -> Reply | Failure:
        """A create."""
        assert not self.dead
        asked = json.loads(body.head + body.tail)
        flight.phase = Phase.SENT
        await asyncio.sleep(self.dice.choice((0.01, 0.2, 2.0)))
        refusal = self._refusal(asked)
        if refusal is not None:
            return read_reply(*refusal)
        name = asked["external_task_id"]
        self.creates[name] += 1
        now = asyncio.get_running_loop().time()
        self.tasks.setdefault(name, Task(f"task-{name}", now, now + self.dice.uniform(0.0, 200.0)))
        if self.dice.random() < self.lost:
            return Failure(kind=Kind.CONNECTION, phase=Phase.SENT)
        await asyncio.sleep(self.dice.choice((0.0, 0.1, 1.0)))
        return read_reply(200, {}, self._told(name, "submitted"))

    async def get_task(self, url: URL, _headers: CIMultiDict[str], _flight: Any) -> TaskReply | Failure:
        """A look at a job's task, by either id."""
        assert not self.dead
        now = asyncio.get_running_loop().time()
        if url.name.startswith("task-"):
            self.looks.append(now)
        await asyncio.sleep(self.dice.choice((0.01, 0.3, 3.0)))
        if self.dice.random() < self.trouble:
            return read_task(self.dice.choice((401, 429, 500)), {}, b"<html>a page</html>")
        task = self.tasks.get(url.name.removeprefix("task-"))
        if task is None:
            return read_task(404, {}, b'{"code": 1203, "message": "task not exist"}')
        status = "processing" if now < task.ends else "succeed"
        return read_task(200, {}, self._told(url.name.removeprefix("task-"), status))

    async def ask(
        self, url: URL, _headers: CIMultiDict[str], flight: Flight, read: Callable[..., Any], body: Any = None
    ) -> Any:
        """A call for a video or a text, or a look at the task that makes it."""
        assert not self.dead
        flight.phase = Phase.SENT
        if body is None:
            await asyncio.sleep(self.dice.choice((0.01, 0.3)))
            making = self.making[url.name]
            making.seen |= asyncio.get_running_loop().time() >= making.ends
            told = making.made if making.seen else {"task_status": "processing"}
            return read(200, {}, _enveloped({"task_id": url.name, "task_status": "succeed"} | told))
        asked = json.loads(body.head + body.tail)
        await asyncio.sleep(self.dice.choice((0.01, 0.5)))
        if self.dice.random() < self.trouble:
            return read(429, {"Retry-After": "2"}, b'{"code": 1302, "message": "too fast"}')
        return await self._make(asked, read)

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _make(self, asked: dict[str, Any], read: Callable[..., Any]) -> Any:
        name = asked["text"] if "text" in asked else film_of(asked["video_url"])
        self.calls[name] += 1
        self.unseen[name] += 1  # until its answer is read; a kill or a cancellation comes before that
        made = self._speech(name) if "text" in asked else self._faces(name)
        if self.dice.random() < self.lost:
            return Failure(kind=Kind.CONNECTION, phase=Phase.SENT)
        if self.as_task:
            task_id = f"made-{self.calls.total()}"
            now = asyncio.get_running_loop().time()
            self.making[task_id] = Making(name, now, now + self.dice.uniform(0.0, 60.0), made)
            made = {"task_id": task_id, "task_status": "submitted"}
        await asyncio.sleep(self.dice.choice((0.0, 1.0, 5.0)))
        self.unseen[name] -= 1
        return read(200, {}, _enveloped(made))

    def _faces(self, film: str) -> dict[str, Any]:
        session_id = f"session-{self.calls.total()}"
        faces = FACES[self.shows[film]]
        if faces:
            self.sessions[session_id] = Session(film, asyncio.get_running_loop().time() + DAY)
        return {"session_id": session_id, "face_data": faces}

    def _speech(self, text: str) -> dict[str, Any]:
        audio = f"audio-{self.calls.total()}-{text.replace(' ', '-')}"
        self.texts.add(audio)
        return {"task_status": "succeed", "task_result": {"audios": [{"id": audio, "duration": "5.0"}]}}

    def unseen_of(self, name: str, now: float) -> int:
        """Calls whose answer nobody saw; that of a task only within its first day."""
        old = (it for it in self.making.values() if it.name == name and not it.seen and now >= it.born + DAY)
        return self.unseen[name] + sum(1 for _ in old)

    def kill_sessions(self, now: float) -> None:
        """All that are open die at once."""
        for session in self.sessions.values():
            if session.dies > now:
                session.dies = now
                self.deaths[session.film] += 1

    def _refusal(self, asked: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
        if self.dice.random() < self.trouble:
            return 429, {"Retry-After": "2"}, b'{"code": 1302, "message": "too fast"}'
        session = self.sessions.get(asked["session_id"])
        if session is None or asyncio.get_running_loop().time() >= session.dies:
            return 400, {}, b'{"code": 1201, "message": "session not found"}'
        audio = asked["face_choose"][0].get("audio_id", "")
        if audio.startswith("audio-") and audio not in self.texts:
            return 400, {}, b'{"code": 1201, "message": "audio not found"}'
        return None

    def _told(self, name: str, status: str) -> bytes:
        task = self.tasks[name]
        told: dict[str, Any] = {
            "task_id": task.task_id,
            "task_status": status,
            "task_info": {"external_task_id": name},
            "created_at": 1000 * (EPOCH + task.born),
        }
        if status == "succeed":
            told["task_result"] = {"videos": [{"url": video_of(name), "duration": "5"}]}
        return _enveloped(told)


def film_of(url: str) -> str:
    """The film behind a signed URL."""
    return URL(url).name.removesuffix(".mp4")


def video_of(name: str) -> str:
    """Where the finished video of a job is."""
    return f"https://cdn.example/{name}.mp4"


def _enveloped(told: dict[str, Any]) -> bytes:
    return json.dumps({"code": 0, "message": "SUCCEED", "data": told}).encode()
