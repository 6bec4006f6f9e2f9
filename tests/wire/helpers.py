"""What the tests of the wire share: samples, replies, a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.audio import AudioBytes
from lipsync_async.terms import Reply
from lipsync_async.wire import Body, TaskReply, encode, read_reply, read_task

HERE = Path(__file__).parents[1]
SAMPLES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((HERE / "wire-samples").glob("*.json"))}
SCHEMAS = {
    path.stem: json.loads(path.read_text("utf-8"))["paths"]["/kling/v1/videos/advanced-lip-sync"]["post"]
    for path in sorted((HERE / "openapi").glob("*.json"))
}
JSON = {"Content-Type": "application/json"}
CREATES = [name for name, it in SAMPLES.items() if it["request"].endswith("POST /kling/v1/videos/advanced-lip-sync")]
QUERIES = [name for name, it in SAMPLES.items() if it["request"].endswith("advanced-lip-sync/{id}")]
CLIP = AudioBytes(b"ID3\x03 is not much of a clip" * 9)


def headers(values: dict[str, str] | None = None) -> CIMultiDictProxy[str]:
    """As aiohttp hands them over."""
    return CIMultiDictProxy(CIMultiDict(JSON if values is None else values))


def sample(name: str) -> tuple[int, CIMultiDictProxy[str], bytes]:
    """A sample's reply."""
    it = SAMPLES[name]
    body = it["body_text"] if "body_text" in it else json.dumps(it["body"])
    return it["status"], headers(it["headers"]), body.encode()


def reply(value: object, status: int = 200, **values: str) -> Reply:
    """A create's reply with a JSON body."""
    return read_reply(status, headers({**JSON, **values}), json.dumps(value).encode())


def task(value: object, status: int = 200) -> TaskReply:
    """A query's reply with a JSON body."""
    return read_task(status, headers(), json.dumps(value).encode())


def face(**values: Any) -> FaceChoice:
    """A face with an `audio_id`, unless told otherwise."""
    times = {"sound_start_time": 0, "sound_end_time": 5000, "sound_insert_time": 1000}
    volumes = {"sound_volume": 1, "original_audio_volume": 1}
    return FaceChoice(**{"face_id": "-1", "audio_id": "825451760499568680", **times, **volumes, **values})


def request(one: FaceChoice | None = None, **values: Any) -> LipSyncRequest:
    """A request with one face."""
    return LipSyncRequest(**{"session_id": "825465778199224380", "face_choose": (one or face(),), **values})


def whole(body: Body) -> bytes:
    """All that goes over the wire."""
    sound = b"".join(body.sound.slices()) if body.sound else b""
    return body.head + sound + body.tail


def sent(it: LipSyncRequest, external_task_id: str = "job-1") -> Any:
    """What a gateway reads."""
    body = encode(it, external_task_id)
    assert body.length == len(whole(body))
    return json.loads(whole(body))
