"""A list that is looked through before any of it is sent: every id once, and no id for two contents."""

from __future__ import annotations

import asyncio

from attrs import evolve

from lipsync_async.config import RunOptions
from lipsync_async.errors import DuplicateIdError
from lipsync_async.given import expect, expect_jobs, id_given
from lipsync_async.models import LipSyncRequest
from lipsync_async.wire.identity import bare, derive_id

from .job import Job
from .jobbook import UNHASHABLE, hash_sound
from .run import YIELD_EVERY
from .streaming import Requests, each


async def index(jobs: Requests, options: RunOptions, max_id_length: int) -> list[Job]:
    """Returns the jobs of the list, each id once; those that are too broken to have one come last.

    Raises `DuplicateIdError`, and `WrongArgumentError` for what is no list.
    """
    expect_jobs(jobs)
    expect("options", options, RunOptions)
    listed: dict[str, Job] = {}
    nameless: list[Job] = []
    count = 0
    async for request in each(jobs):
        count += 1
        if not count % YIELD_EVERY:
            await asyncio.sleep(0)
        given = id_given(request)  # what is no request comes out as rejected
        job = Job(request, given or await _derived(request, options, max_id_length))
        job.derived = not given
        if not job.id:
            nameless.append(job)
            continue
        first = listed.setdefault(job.id, job)
        if first is not job and _content(first.request) != _content(request):
            text = f"{job.id} stands for different content in one list; nothing was sent"
            raise DuplicateIdError(text, external_task_id=job.id)
    return [*listed.values(), *nameless]


async def _derived(request: LipSyncRequest, options: RunOptions, max_id_length: int) -> str:
    """Returns the id that is derived from the content; "" if the request is too broken to have one."""
    try:
        await hash_sound(request)
        return derive_id(request, prefix=options.id_prefix, max_length=max_id_length)
    except UNHASHABLE:
        return ""


def _content(request: LipSyncRequest) -> LipSyncRequest:
    return evolve(bare(request), external_task_id=None)
