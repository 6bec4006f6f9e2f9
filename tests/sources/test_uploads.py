"""Files of this machine that the gateway is to fetch: put there once a journal, whatever the place does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lipsync_async import AudioFile, LipSyncClient, LipSyncRequest, RequestBuilder, RunOptions, StoreUploads, VideoFile
from lipsync_async.errors import InvalidRequestError
from lipsync_async.outcomes import Accepted, NotSent, Rejected
from lipsync_async.sandbox import Sandbox
from lipsync_async.sources.uploads import LASTS, SPARE, WEEK, life_of
from lipsync_async.terms import Kind
from tests.loopback.hurried import hurry
from tests.makers import wav
from tests.request.test_video import film


class Bucket:
    """Puts files nowhere, and signs anew each time."""

    def __init__(self, *, lasts: float | None = None, fails: Exception | None = None) -> None:
        self.put: list[Path] = []
        self.fails = fails
        if lasts is not None:
            self.lasts = lasts

    async def __call__(self, path: Path) -> str:
        """The URL of one more."""
        if self.fails is not None:
            raise self.fails
        self.put.append(path)
        return f"https://bucket.example/{path.name}?X-Amz-Signature={len(self.put)}"


def live(act: Callable[[Sandbox, Callable[..., LipSyncClient]], Awaitable[None]], **options: Any) -> None:
    """Plays `act` with a sandbox and clients of it."""

    async def main() -> None:
        async with Sandbox(**{"check_ids": True, **options}) as sandbox:

            def client(uploads: Bucket | None) -> LipSyncClient:
                return LipSyncClient(sandbox.base_url, api_key=sandbox.api_key, uploads=uploads)

            await act(sandbox, client)

    hurry(main())


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A film of ten seconds."""
    path = tmp_path / "a.mp4"
    path.write_bytes(film())
    return path


def jobs_of(video: Path, count: int = 4) -> list[LipSyncRequest]:
    """Jobs of a local video."""
    start = RequestBuilder().video_file(video).audio_bytes(wav(3.0))
    return [start.window(insert=number).build() for number in range(count)]


def test_a_local_video_is_put_there_once_a_journal(video: Path, tmp_path: Path) -> None:
    """Under whatever path it lies next time: its content is what counts, for the upload and for the jobs' ids."""
    bucket = Bucket()
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(video.read_bytes())

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        for path in (video, moved):
            async with client(bucket) as one:
                result = await one.submit_many(jobs_of(path), journal=tmp_path / "run.db")
            assert (len(result.accepted), sandbox.ledger.tasks) == (4, 4)
        async with client(bucket) as one:
            assert len((await one.submit_many(jobs_of(moved, 6), journal=tmp_path / "run.db")).accepted) == 6
        assert sandbox.ledger.identified == {"https://bucket.example/a.mp4": 1}
        assert (bucket.put, sandbox.ledger.tasks) == ([video], 6)

    live(act)


def test_a_url_that_has_run_out_is_made_anew(video: Path, tmp_path: Path) -> None:
    """Where its session has run out as well; one that still works is used again."""
    bucket = Bucket(lasts=2 * 24 * 3600.0)

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        for number, days in enumerate((0.0, 1.1, 2.2)):
            async with client(bucket) as one:
                account = one._ready()
                before = account.wall_clock
                account.wall_clock = lambda before=before, days=days: before() + days * 24 * 3600.0  # type: ignore[misc]
                jobs = jobs_of(video, number + 1)
                assert len((await one.submit_many(jobs, journal=tmp_path / "run.db")).accepted) == number + 1
        assert (len(bucket.put), sandbox.ledger.tasks) == (2, 3)
        assert sandbox.ledger.identified == {"https://bucket.example/a.mp4": 3}

    live(act)


def test_a_large_sound_is_put_there_and_named_by_its_url(tmp_path: Path) -> None:
    """Its id is still that of its content; a small one goes along with the create."""
    large = tmp_path / "large.wav"
    large.write_bytes(wav(5.0, rate=550_000))
    assert large.stat().st_size > 5_242_880
    small = tmp_path / "small.wav"
    small.write_bytes(wav(3.0))
    bucket = Bucket()
    bodies: list[LipSyncRequest] = []

    def note(sent: LipSyncRequest) -> None:
        bodies.append(sent)

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        made = RequestBuilder().session("1").face("0")
        with pytest.raises(InvalidRequestError):
            made.audio_file(large).build()
        jobs = [made.audio_file(large).build(uploads=True), made.audio_file(small).build()]
        async with client(bucket) as one:
            options = RunOptions(allow=note)
            first = await one.submit_many(jobs, journal=tmp_path / "run.db", options=options)
            again = await one.submit_many(jobs, journal=tmp_path / "run.db")
        assert [it.name for it in first.values()] == ["accepted", "accepted"]
        assert [it.replayed for it in again.accepted.values()] == [True, True]
        sounds = {type(it.face_choose[0].sound_file): it.face_choose[0].sound_file for it in bodies}
        assert sounds[str] == "https://bucket.example/large.wav?X-Amz-Signature=1"
        assert AudioFile in sounds
        assert bucket.put == [large]

    live(act, check_ids=False)


def test_without_uploads_a_local_file_is_refused_before_anything_is_paid(video: Path) -> None:
    """A video by a client that has none; a large sound by its check."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client(None) as one:
            result = await one.submit_many(jobs_of(video))
        assert {type(it) for it in result.values()} == {Rejected}
        assert not sandbox.ledger.requests

    live(act)


@pytest.mark.parametrize("fails", [OSError("no space"), ValueError("bad key"), TimeoutError()])
def test_a_place_that_fails_leaves_the_jobs_unsent(video: Path, fails: Exception) -> None:
    """Whatever it raises; nothing is paid, and the next call tries again."""
    bucket = Bucket(fails=fails)

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client(bucket) as one:
            result = await one.submit_many(jobs_of(video))
            assert {(type(it), it.kind) for it in result.not_sent.values()} == {(NotSent, Kind.STORAGE)}
            assert len(result.not_sent) == 4
            bucket.fails = None
            assert isinstance(await one.submit(jobs_of(video)[0]), Accepted)
        assert sum(sandbox.ledger.identified.values()) == 1

    live(act)


def test_a_file_that_changes_while_it_is_uploaded(video: Path) -> None:
    """What is there is not what the job's id was made of."""

    class Rewriting(Bucket):
        async def __call__(self, path: Path) -> str:
            await asyncio.to_thread(path.write_bytes, film() + b"\0")
            return await super().__call__(path)

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client(Rewriting()) as one:
            result = await one.submit_many(jobs_of(video, 1))
        assert [it.kind for it in result.not_sent.values()] == [Kind.STORAGE]
        assert not sandbox.ledger.preparations

    live(act)


def test_a_local_video_is_looked_at_first(tmp_path: Path) -> None:
    """What identify-face would refuse is told when the request is built."""
    path = tmp_path / "a.mp4"
    path.write_bytes(film(milliseconds=1_000))
    with pytest.raises(InvalidRequestError) as raised:
        RequestBuilder().video_file(path).audio_bytes(wav(3.0)).build()
    assert [it.rule for it in raised.value.violations] == ["video_too_short"]
    with pytest.raises(FileNotFoundError):
        RequestBuilder().video_file(tmp_path / "none.mp4")


def test_a_video_file_knows_when_it_has_changed(video: Path) -> None:
    """Its digest is that of what was looked at, or none."""
    found = VideoFile(video)
    assert found == VideoFile(video)
    assert "a.mp4" in repr(found)
    video.write_bytes(film() + b"\0")
    with pytest.raises(OSError, match="changed after it was checked"):
        found.digest()
    assert VideoFile(video) != found


def test_how_long_a_url_is_used() -> None:
    """A day less an hour, or what the place says."""
    assert life_of(Bucket()) == LASTS - SPARE
    assert life_of(Bucket(lasts=WEEK)) == WEEK - SPARE
    assert life_of(Bucket(lasts=60.0)) == 0.0


def test_the_store_puts_blocks_and_signs_for_a_week(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a name of the file's; obstore is not asked here."""
    kept: dict[str, bytes] = {}

    class Store:
        url = "s3://bucket/films"

        def __init__(self, url: str) -> None:
            assert url == self.url

        async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str:
            kept[name] = b"".join([chunk async for chunk in chunks])
            return name

        async def sign(self, name: str, seconds: float) -> str:
            return f"https://bucket.example/films/{name}?seconds={seconds:g}"

    monkeypatch.setattr("lipsync_async.sources.uploads.ObjectStore", Store)
    uploads = StoreUploads("s3://bucket/films")
    url = asyncio.run(uploads(video))
    ((name, data),) = kept.items()
    assert name.endswith("-a.mp4")
    assert data == video.read_bytes()
    assert url == f"https://bucket.example/films/{name}?seconds=604800"
    assert repr(uploads) == "<StoreUploads s3://bucket/films>"
