"""Which ids are under way, what the last ones came out as, and which task ids were told.

A client has one, and so has every open journal: one id is one job, whichever call or client hands it in.
What came out is remembered by the client's alone: a journal has it on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, Unknown
from lipsync_async.request.audio import AudioBytes

from .job import NOTHING, Job

REMEMBERED = 10_000
"""Jobs that came out accepted or unknown; and as many task ids."""
LARGE = 2_000
"""Bytes of a sound from which on it is not kept for ever."""
MOST_HELD = 64 << 20
"""Bytes of sounds that are kept, so that the content of a job that comes again can be compared."""


_MAY_BE_PAID = frozenset({Accepted, Unknown})
_T = TypeVar("_T")


class _Last(dict[str, _T]):
    """The last `REMEMBERED` that came, by name; one that is put in again keeps its place.

    An OrderedDict does the same, and costs every job more: its links lie all over the memory.
    """

    __slots__ = ("_names",)

    def __init__(self) -> None:
        super().__init__()
        self._names: deque[str] = deque()

    def put(self, name: str, value: _T) -> None:
        if name not in self:
            self._names.append(name)
            if len(self._names) > REMEMBERED:
                del self[self._names.popleft()]
        self[name] = value


class Registry:
    """The ids of one client; or, where it remembers nothing, of one journal."""

    def __init__(self, *, remembers: bool = True) -> None:
        self._remembered = _MAY_BE_PAID if remembers else frozenset[type]()
        self._under_way: dict[str, Job] = {}
        self._waiting: dict[str, list[Callable[[], None]]] = {}
        self._ended: _Last[Job] = _Last()
        self._tasks: _Last[str] = _Last()
        """The job that each of the last task ids was told for."""
        self._large: deque[tuple[Job, int]] = deque()
        self._held = 0

    def __repr__(self) -> str:
        return f"<Registry {len(self._under_way)} under way, {len(self._ended)} remembered>"

    @property
    def under_way(self) -> int:
        """How many ids are under way."""
        return len(self._under_way)

    def claim(self, job: Job) -> Job | None:
        """Takes the job's id for it; the job that has it already, else None."""
        first = self._under_way.setdefault(job.id, job)
        return None if first is job else first

    def release(self, job: Job) -> None:
        """The job came out, told or not: its id is free, and what may have been paid for is remembered."""
        under_way, name = self._under_way, job.id
        if under_way.get(name) is not job:
            return
        del under_way[name]
        if type(job.outcome) in self._remembered:
            self._remember(job)
        if self._waiting:
            for call in self._waiting.pop(job.id, ()):
                call()

    def _remember(self, job: Job) -> None:
        self._ended.put(job.id, job)
        for face in job.request.face_choose:
            sound = face.sound_file
            if sound is not None and not (type(sound) is str and len(sound) <= LARGE):
                self._keep_sound(job)
                return

    def _keep_sound(self, job: Job) -> None:
        """A large sound is kept for as long as there is room; not at all where its hash is known."""
        size = _size_of_sound(job.request)
        if size <= LARGE:
            return
        if job.core:
            job.request = NOTHING
            return
        self._large.append((job, size))
        self._held += size
        while self._held > MOST_HELD:
            oldest, size = self._large.popleft()
            oldest.request = NOTHING  # if it comes again its id is taken: nothing is sent, and its task is named
            self._held -= size

    def has(self, job: Job) -> bool:
        """Whether the job is under way here."""
        return self._under_way.get(job.id) is job

    def knows(self, external_task_id: str) -> bool:
        """Whether a job of that id is under way, or is remembered."""
        return external_task_id in self._under_way or external_task_id in self._ended

    def when_released(self, job: Job, call: Callable[[], None]) -> None:
        """`call` is called when the job that is under way has come out."""
        self._waiting.setdefault(job.id, []).append(call)

    def recall(self, external_task_id: str) -> Job | None:
        """The job of that id that came out accepted or unknown, if it is remembered."""
        return self._ended.get(external_task_id)

    def is_anothers(self, task_id: str, external_task_id: str) -> bool:
        """Whether the task id was told for another job; if not, it is this job's from now on."""
        owner = self._tasks.get(task_id)
        if owner is None:
            self._tasks.put(task_id, external_task_id)
            return False
        return owner != external_task_id


def _size_of_sound(request: LipSyncRequest) -> int:
    """Bytes that a request's sound takes in memory; a file takes none."""
    size = 0
    for face in request.face_choose:
        sound = face.sound_file
        if type(sound) is str:
            size += len(sound)
        elif isinstance(sound, AudioBytes):
            size += sound.base64_length
    return size
