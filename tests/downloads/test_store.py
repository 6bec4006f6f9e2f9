"""Object stores: a video is there whole, or it is not there; against a real server of the S3 protocol on loopback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.downloads import store as rooms
from lipsync_async.downloads.budget import Patience
from lipsync_async.downloads.crew import Crew
from lipsync_async.downloads.fetcher import Fetcher, FetchOptions
from lipsync_async.downloads.folder import Folder
from lipsync_async.downloads.store import ObjectStore, store_for
from lipsync_async.endings import Downloaded, DownloadKind
from lipsync_async.errors import ConfigurationError
from tests.downloads.hosts import LARGE, MIB, bad, good, host, serving, taking, telling, the_key, video
from tests.loopback.raw import RawServer

BUCKET = "the-bucket"


class Bucket:
    """A bucket of a server, with its admin's view."""

    def __init__(self, endpoint: str, client: Any) -> None:
        self.endpoint = endpoint
        self.client = client

    def store(self, url: str = f"s3://{BUCKET}/videos") -> ObjectStore:
        """The store under test."""
        return ObjectStore(
            url,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id="id",
            secret_access_key="secret",
            client_options={"allow_http": True},
        )

    def objects(self) -> dict[str, int]:
        """What is there, with its size."""
        listed = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {it["Key"]: it["Size"] for it in listed}

    def content(self, key: str) -> bytes:
        """Of one object."""
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def open_uploads(self) -> list[str]:
        """Uploads whose parts are in the bucket still."""
        return [it["Key"] for it in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The endpoint of an object store on this machine."""
    pytest.importorskip("obstore", reason="object stores: obstore is not installed (the extra `store`)")
    moto = pytest.importorskip("moto.server", reason="object stores: moto is not installed (the extra `test`)")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    name, port = running.get_host_and_port()
    yield f"http://{name}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str) -> Iterator[Bucket]:
    """An empty bucket."""
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "s3", endpoint_url=server, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
    )
    client.create_bucket(Bucket=BUCKET)
    yield Bucket(server, client)
    for key in Bucket(server, client).objects():
        client.delete_object(Bucket=BUCKET, Key=key)
    client.delete_bucket(Bucket=BUCKET)
    client.close()


async def pieces(count: int, fault: Exception | None = None) -> AsyncIterator[bytes]:
    """So many blocks of a MiB, and what goes wrong after them."""
    for number in range(count):
        yield bytes([number]) * MIB
    if fault is not None:
        raise fault


def test_a_video_is_put(bucket: Bucket) -> None:
    """In one part or several; its address is told, and a second video of the name takes its place."""
    for count in (1, 12):
        where = asyncio.run(bucket.store().put("x.mp4", pieces(count)))
        assert where == f"s3://{BUCKET}/videos/x.mp4"
        assert bucket.objects() == {"videos/x.mp4": count * MIB}
        assert bucket.content("videos/x.mp4") == b"".join(bytes([number]) * MIB for number in range(count))
    assert bucket.open_uploads() == []


def test_a_bucket_without_a_prefix(bucket: Bucket) -> None:
    """Names stand at its top."""
    assert asyncio.run(bucket.store(f"s3://{BUCKET}").put("x.mp4", pieces(1))) == f"s3://{BUCKET}/x.mp4"
    assert bucket.objects() == {"x.mp4": MIB}


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_fault_leaves_nothing(bucket: Bucket, count: int) -> None:
    """Neither an object nor parts of one, and it is raised as it was."""
    fault = ValueError("cut")
    with pytest.raises(ValueError, match="cut") as caught:
        asyncio.run(bucket.store().put("x.mp4", pieces(count, fault)))
    assert caught.value is fault
    assert bucket.objects() == {}
    assert bucket.open_uploads() == []


@pytest.mark.parametrize("count", [1, 12])
def test_a_cancelled_put_leaves_nothing(bucket: Bucket, count: int) -> None:
    """Parts that were sent are taken back, although the source itself would have waited for ever."""

    async def main() -> None:
        stuck = asyncio.Event()

        async def hanging() -> AsyncIterator[bytes]:
            async for piece in pieces(count):
                yield piece
            stuck.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(bucket.store().put("x.mp4", hanging()))
        await stuck.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert bucket.objects() == {}
    assert bucket.open_uploads() == []


def test_two_hundred_videos_and_some_that_are_cut(bucket: Bucket) -> None:
    """Each is there whole, or not there: one is never whole, one begins anew in the middle, one is broken off."""
    content, fresh = video(MIB + 300), video(8 * MIB, seed=2)

    async def main() -> dict[str, Any]:
        options = FetchOptions(patience=Patience(tries=1))
        never = RawServer(always=taking(serving(video(8 * MIB), most=7 * MIB, etag="")))
        hanging = RawServer(always=taking(serving(video(8 * MIB), most=7 * MIB, end="hang")))
        anew = RawServer(always=taking(serving(video(8 * MIB), most=7 * MIB), serving(fresh, etag='"v2"')))
        async with host(serving(content)) as good_one, never, anew, hanging:
            urls = {"never": never.url, "anew": anew.url, "hanging": hanging.url}
            async with (
                Fetcher("http://127.0.0.1:9", the_key, options) as fetcher,
                Crew(fetcher, bucket.store()) as crew,
            ):
                for number in range(200):
                    ident = {3: "never", 77: "anew", 120: "hanging"}.get(number, f"job-{number}")
                    crew.add(ident, str(number), telling(f"{urls.get(ident, good_one.url)}/{number}"))
                found = {}
                async for it in crew:
                    found[str(it.external_task_id)] = it
                    if len(found) == 199:
                        break
            return found  # the crew was left while one was under way

    found = asyncio.run(main())
    assert bad(found.pop("never")).kind is DownloadKind.DAMAGED
    assert good(found["anew"]).tries == 2
    assert len(found) == 198
    assert all(isinstance(it, Downloaded) and it.path == f"s3://{BUCKET}/videos/{key}.mp4" for key, it in found.items())
    expected = {f"videos/{key}.mp4": len(fresh if key == "anew" else content) for key in found}
    assert bucket.objects() == expected
    assert bucket.content("videos/anew.mp4") == fresh
    assert bucket.content("videos/job-0.mp4") == content
    assert bucket.open_uploads() == []


def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    """Is `storage`, in the words of the store."""

    async def main() -> None:
        async with host(serving(LARGE)) as server, Fetcher("http://127.0.0.1:9", the_key) as fetcher:
            store = bucket.store("s3://another-bucket/videos")
            found = bad(await fetcher.fetch("job-1", "7", telling(f"{server.url}/7"), store, "x.mp4"))
            assert found.kind is DownloadKind.STORAGE
            assert "NoSuchBucket" in found.message or "not found" in found.message

    asyncio.run(main())


def test_a_signed_address(bucket: Bucket) -> None:
    """Anybody may read the object by it; the secret does not stand in it."""

    async def main() -> None:
        store = bucket.store()
        await store.put("x.mp4", pieces(1))
        url = await store.sign("x.mp4", 60)
        assert url.startswith(f"{bucket.endpoint}/{BUCKET}/videos/x.mp4?")
        assert "X-Amz-Expires=60" in url
        assert "secret" not in url
        assert repr(store) == f"<ObjectStore s3://{BUCKET}/videos>"

    asyncio.run(main())


def test_what_a_user_means(tmp_path: Path) -> None:
    """A path is a folder, as text or not; what has a `put` is taken as it is."""
    for to in (tmp_path, str(tmp_path)):
        found = store_for(to, owner="me")
        assert isinstance(found, Folder)
        assert found.path == tmp_path
    folder = Folder(tmp_path)
    assert store_for(folder) is folder


def test_an_address_that_is_no_store() -> None:
    """Is told as what it is."""
    pytest.importorskip("obstore", reason="object stores: obstore is not installed (the extra `store`)")
    with pytest.raises(ConfigurationError, match="nothing://x is no store"):
        store_for("nothing://x")


def test_without_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(rooms, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"lipsync-async\[store\]"):
        store_for("s3://bucket/videos")
