"""A list that is looked through before any of it is sent: every id once, and no id for two contents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TypeAlias, cast

from attrs import evolve

from lipsync_async.config import RunOptions
from lipsync_async.errors import DuplicateIdError
from lipsync_async.given import expect, expect_jobs, id_given
from lipsync_async.jobs import JobList
from lipsync_async.jobs.handing import requests_in
from lipsync_async.models import BrokenRequest, LipSyncRequest
from lipsync_async.wire.identity import bare, derive_id

from .job import Job
from .jobbook import UNHASHABLE, hash_sound
from .run import YIELD_EVERY
from .streaming import Requests, each

_Source: TypeAlias = Iterable[LipSyncRequest] | AsyncIterable[LipSyncRequest]
_PIECE = 1024
"""Requests of a list in memory that are looked at before others get their turn: a tenth of a millisecond's work."""


class Listed:
    """The jobs of a list, each id once; those that are too broken to have one come last.

    A job is made when it is pulled, so that the first one need not wait until a million are made.
    """

    def __init__(self) -> None:
        self._named: dict[str, LipSyncRequest] = {}
        self._nameless: list[tuple[LipSyncRequest, int | None]] = []
        self._lines: dict[str, int] = {}
        self._derived: set[str] = set()
        """Names that were derived from the content."""
        self.jobs: list[Job] = []
        """Those that were pulled."""

    def __len__(self) -> int:
        return len(self._named) + len(self._nameless)

    def __iter__(self) -> Iterator[Job]:
        """To be called once."""
        for name, request in self._named.items():
            job = Job(request, name, self._lines.get(name), unique=True, derived=name in self._derived)
            self.jobs.append(job)
            yield job
        for request, line in self._nameless:
            job = Job(request, "", line, derived=True)
            self.jobs.append(job)
            yield job

    def add_all(self, requests: list[LipSyncRequest]) -> bool:
        """Adds all at once where each has an id of its own that is new; else none of them, and returns False."""
        try:
            named = {request.external_task_id: request for request in requests}
        except (AttributeError, TypeError):  # what is no request comes out as rejected
            return False
        plain = (
            len(named) == len(requests)
            and all(type(name) is str and name for name in named)
            and self._named.keys().isdisjoint(named)
        )
        if plain:
            self._named.update(named)  # type: ignore[arg-type] # None is no name
        return plain

    def add(self, request: LipSyncRequest, name: str, line: int | None, *, derived: bool) -> None:
        """Adds one, of that line; the same content once more is the same job, of the first line that has it.

        `derived`: its name was derived from the content.
        Raises `DuplicateIdError`.
        """
        if not name:
            self._nameless.append((request, line))
            return
        first = self._named.setdefault(name, request)
        if first is request:
            if derived:
                self._derived.add(name)
            if line is not None:
                self._lines.setdefault(name, line)
        elif _content(first) != _content(request):
            text = f"{name} stands for different content in one list; nothing was sent"
            raise DuplicateIdError(text, external_task_id=name)


async def index(jobs: Requests, options: RunOptions, max_id_length: int) -> Listed:
    """Returns the jobs of the list.

    Raises `DuplicateIdError`, and `WrongArgumentError` for what is no list.
    """
    expect_jobs(jobs)
    expect("options", options, RunOptions)
    listed = Listed()
    if isinstance(jobs, JobList):
        await _add_each(listed, requests_in(jobs), options, max_id_length)
        return listed
    async for requests in _pieces(jobs):
        if not listed.add_all(requests):
            await _add_each(listed, ((None, request) for request in requests), options, max_id_length)
        await asyncio.sleep(0)
    return listed


async def _add_each(
    listed: Listed,
    numbered: Iterable[tuple[int | None, LipSyncRequest | BrokenRequest]],
    options: RunOptions,
    max_id_length: int,
) -> None:
    """Adds requests one by one, each after the number of its line; others get their turn now and then."""
    for count, (line, found) in enumerate(numbered, 1):
        request = cast("LipSyncRequest", found)  # a broken one comes out as rejected
        given = id_given(request)
        listed.add(request, given or await _derived(request, options, max_id_length), line, derived=not given)
        if not count % YIELD_EVERY:
            await asyncio.sleep(0)


async def _pieces(jobs: _Source) -> AsyncIterator[list[LipSyncRequest]]:
    """The requests, some at a time: few where somebody's code makes them, for that may take long."""
    if type(jobs) is list or type(jobs) is tuple:  # a subclass may run code of its own
        for start in range(0, len(jobs), _PIECE):
            yield list(jobs[start : start + _PIECE])
        return
    piece: list[LipSyncRequest] = []
    async for request in each(jobs):
        piece.append(request)
        if len(piece) == YIELD_EVERY:
            yield piece
            piece = []
    if piece:
        yield piece


async def _derived(request: LipSyncRequest, options: RunOptions, max_id_length: int) -> str:
    """Returns the id that is derived from the content; "" if the request is too broken to have one."""
    try:
        await hash_sound(request)
        return derive_id(request, prefix=options.id_prefix, max_length=max_id_length)
    except UNHASHABLE:
        return ""


def _content(request: LipSyncRequest | BrokenRequest) -> object:
    if isinstance(request, BrokenRequest):  # all that is known are its faults, each with the line where it stands
        return [(fault.path.partition(": ")[2], fault.rule, fault.message) for fault in request.violations]
    if not isinstance(request, LipSyncRequest):
        return request
    return evolve(bare(request), external_task_id=None)
