"""A list before any of it is sent: held against a plain dict, whatever its length, its order and its form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async import AudioBytes, DuplicateIdError, JobList, LipSyncRequest
from lipsync_async.config import RunOptions
from lipsync_async.dispatch import jobbook, listing
from lipsync_async.dispatch.jobbook import hash_sound
from lipsync_async.dispatch.listing import Listed, index
from lipsync_async.request.builder import RequestBuilder
from lipsync_async.wire.identity import derive_id

LINE = {"session_id": "8", "face_id": "0", "audio_id": "9", "sound_start_time": 0, "sound_end_time": 5000}
BASE = RequestBuilder().session("8").face("0").audio_id("9").window(0, 5000).build()


def request(name: str | None, insert: int) -> LipSyncRequest:
    """One of two contents under a name."""
    return evolve(BASE, external_task_id=name, face_choose=(evolve(BASE.face_choose[0], sound_insert_time=insert),))


REQUESTS = st.builds(request, st.sampled_from(["a", "b", "c", "d", "", None]), st.integers(0, 1))


def look_through(requests: object) -> Listed:
    """The list as `submit_many` has it."""
    return asyncio.run(index(requests, RunOptions(), 64))  # type: ignore[arg-type]


def model(requests: list[LipSyncRequest]) -> dict[str, LipSyncRequest] | None:
    """Each id's first request, in order; None where an id stands for two contents."""
    found: dict[str, LipSyncRequest] = {}
    for one in requests:
        first = found.setdefault(one.external_task_id or derive_id(one), one)
        if evolve(first, external_task_id=None) != evolve(one, external_task_id=None):
            return None
    return found


async def one_by_one(requests: list[LipSyncRequest]) -> AsyncIterator[LipSyncRequest]:
    """A source that is async."""
    for one in requests:
        yield one


@given(st.lists(REQUESTS, max_size=8), st.sampled_from([list, tuple, iter, one_by_one]), st.integers(1, 4))
def test_it_is_what_a_dict_makes_of_it(requests: list[LipSyncRequest], form: type, piece: int) -> None:
    """In pieces of any size, so that an id comes again within a piece and in a later one."""
    wanted = model(requests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_PIECE", piece)
        patch.setattr(listing, "YIELD_EVERY", piece)
        if wanted is None:
            with pytest.raises(DuplicateIdError):
                look_through(form(requests))
            return
        listed = look_through(form(requests))
    assert len(listed) == len(wanted)
    assert listed.jobs == []  # none is made before it is pulled
    jobs = list(listed)
    assert jobs == listed.jobs
    assert [(job.id, job.request, job.derived, job.unique) for job in jobs] == [
        (name, one, not one.external_task_id, True) for name, one in wanted.items()
    ]


@pytest.mark.parametrize("odd", [None, 7, "text", {"external_task_id": "a"}])
def test_what_is_no_request_comes_last(odd: object) -> None:
    """It comes out as rejected, and holds up nothing."""
    jobs = list(look_through([odd, request("a", 0)]))
    assert [(job.id, job.unique) for job in jobs][:1] == [("a", True)]
    assert jobs[-1].request is odd


@pytest.mark.parametrize(("size", "threads"), [(0, 0), (jobbook._SHORT, 0), (jobbook._SHORT + 1, 1)])
def test_a_short_sound_is_hashed_without_a_thread(monkeypatch: pytest.MonkeyPatch, size: int, threads: int) -> None:
    """Both sides of the edge; the digest is kept either way."""
    hops = 0

    async def to_thread(work: object) -> None:
        nonlocal hops
        hops += 1
        work()  # type: ignore[operator]

    monkeypatch.setattr("asyncio.to_thread", to_thread)
    sound = AudioBytes(bytes(size))
    one = evolve(BASE, face_choose=(evolve(BASE.face_choose[0], audio_id=None, sound_file=sound),))
    asyncio.run(hash_sound(one))
    assert hops == threads
    assert sound._digest is not None


def test_a_job_of_a_file_knows_its_line(tmp_path: Path) -> None:
    """With an id of its own, with a derived one, too broken for any; what comes again has its first line."""
    lines = [{"external_task_id": "a", **LINE}, {}, LINE, {"external_task_id": "a", **LINE}, {"external_task_id": "b"}]
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    jobs = list(look_through(JobList.open(path)))
    derived = derive_id(BASE)
    assert [(job.id, job.line, job.derived) for job in jobs] == [
        ("a", 1, False),
        (derived, 3, True),
        ("b", 5, False),
        ("", 2, True),
    ]
