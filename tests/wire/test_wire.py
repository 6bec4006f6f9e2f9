"""The wire room: requests to bytes, replies of every dialect to `Reply`, job lines to requests."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from multidict import CIMultiDict, CIMultiDictProxy

from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.audio import AudioBytes, AudioFile
from lipsync_async.terms import TaskStatus
from lipsync_async.wire import Body, canonical, encode, read_reply, read_task, read_task_list

HERE = Path(__file__).parents[1]
SAMPLES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((HERE / "wire-samples").glob("*.json"))}
SCHEMAS = {
    path.stem: json.loads(path.read_text("utf-8"))["paths"]["/kling/v1/videos/advanced-lip-sync"]["post"]
    for path in sorted((HERE / "openapi").glob("*.json"))
}
JSON = {"Content-Type": "application/json"}
CLIP = AudioBytes(b"ID3\x03 is not much of a clip" * 9)


def headers(values: dict[str, str] | None = None) -> CIMultiDictProxy[str]:
    """As aiohttp hands them over."""
    return CIMultiDictProxy(CIMultiDict(JSON if values is None else values))


def sample(name: str) -> tuple[int, CIMultiDictProxy[str], bytes]:
    """A sample's reply."""
    it = SAMPLES[name]
    body = it["body_text"] if "body_text" in it else json.dumps(it["body"])
    return it["status"], headers(it["headers"]), body.encode()


def reply(value: object, status: int = 200, **values: str) -> Any:
    """A create's reply with a JSON body."""
    return read_reply(status, headers({**JSON, **values}), json.dumps(value).encode())


def task(value: object, status: int = 200) -> Any:
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


# --- encode -------------------------------------------------------------------------------------------------------


def test_plain_request_is_the_seeds_own_example() -> None:
    """A request with an audio id is what the seeds show, without what they leave empty."""
    assert sent(request(callback_url="https://example.test/hook")) == {
        "session_id": "825465778199224380",
        "face_choose": [
            {
                "face_id": "-1",
                "audio_id": "825451760499568680",
                "sound_start_time": 0,
                "sound_end_time": 5000,
                "sound_insert_time": 1000,
                "sound_volume": 1,
                "original_audio_volume": 1,
            }
        ],
        "callback_url": "https://example.test/hook",
        "external_task_id": "job-1",
    }


def test_plain_request_is_all_head() -> None:
    """Without a sound to stream the head is the whole body."""
    body = encode(request(), "job-1")
    assert body.sound is None
    assert body.tail == b""
    assert body.length == len(body.head)


@pytest.mark.parametrize("name", list(SCHEMAS))
@pytest.mark.parametrize(
    "sound",
    [
        {},
        {"audio_id": None, "sound_file": CLIP},
        {"audio_id": None, "sound_file": "https://example.test/a.mp3"},
        {"sound_volume": 2.0, "original_audio_volume": 0.0, "sound_start_time": 0.0},
    ],
)
def test_what_leaves_is_valid_against_both_seeds(name: str, sound: dict[str, Any]) -> None:
    """Every form of a request keeps to the OpenAPI documents of both gateways."""
    schema = SCHEMAS[name]["requestBody"]["content"]["application/json"]["schema"]
    Draft4Validator(schema).validate(sent(request(face(**sound), callback_url="https://example.test/")))


@pytest.mark.parametrize(("given", "wire"), [(1.0, "1"), (0.0, "0"), (2, "2"), (0.5, "0.5")])
def test_whole_volumes_are_integers(given: float, wire: str) -> None:
    """A gateway written in Go refuses 1.0 for an integer."""
    assert f'"sound_volume":{wire},'.encode() in encode(request(face(sound_volume=given)), "x").head


def test_empty_means_not_given() -> None:
    """An empty text never goes over the wire in place of a field that was not given."""
    empty = request(face(audio_id="", sound_file=""), callback_url="")
    assert b'""' not in encode(empty, "").head
    assert "external_task_id" not in sent(empty, "")


@pytest.mark.parametrize("source", ["bytes", "file"])
def test_sound_stands_between_head_and_tail(source: str, tmp_path: Path) -> None:
    """The Base64 text begins right after the head's last quote and ends right before the tail's first."""
    path = tmp_path / "a.mp3"
    path.write_bytes(CLIP.data)
    clip = CLIP if source == "bytes" else AudioFile(path)
    body = encode(request(face(audio_id=None, sound_file=clip)), "job-1")
    assert body.sound is clip
    assert body.head.endswith(b'"sound_file":"')
    assert body.tail.startswith(b'",')
    assert json.loads(whole(body))["face_choose"][0]["sound_file"] == b64encode(CLIP.data).decode()
    assert body.length == len(whole(body))


def test_only_one_sound_can_be_streamed() -> None:
    """Two files in one request are refused: the platform takes one person."""
    two = face(audio_id=None, sound_file=CLIP)
    with pytest.raises(ValueError, match="too many values"):
        encode(request(face_choose=(two, two)), "job-1")


def test_the_seam_cannot_be_forged() -> None:
    """No text that a user writes is taken for the place of the sound."""
    odd = "\u00ff\\u00ff\x00"
    read = sent(request(face(audio_id=None, sound_file=CLIP), session_id=odd, extra_body={odd: odd}))
    assert read["session_id"] == odd
    assert read[odd] == odd


def test_extra_body_is_merged_last_but_never_over_the_id() -> None:
    """A gateway's extra fields override ours, except for the key of everything."""
    extra = {"model": "kling-v1-6", "session_id": "other", "external_task_id": "forged"}
    read = sent(request(extra_body=extra, watermark_info={"enabled": False}))
    assert read["model"] == "kling-v1-6"
    assert read["session_id"] == "other"
    assert read["external_task_id"] == "job-1"
    assert read["watermark_info"] == {"enabled": False}


def test_a_replaced_face_choose_streams_nothing() -> None:
    """Where `extra_body` replaces the faces, their sound is not sent."""
    body = encode(request(face(audio_id=None, sound_file=CLIP), extra_body={"face_choose": []}), "job-1")
    assert body.sound is None


@pytest.mark.parametrize(("value", "error"), [(object(), TypeError), ("\ud800", UnicodeEncodeError)])
def test_what_json_cannot_say_is_an_error(value: object, error: type[Exception]) -> None:
    """A value that no JSON text can hold is refused before a byte leaves."""
    with pytest.raises(error):
        encode(request(extra_body={"x": value}), "job-1")


# --- canonical ----------------------------------------------------------------------------------------------------


def test_canonical_is_sorted_and_compact() -> None:
    """The canonical form leaves no freedom to a serializer, and the id out."""
    it = request(external_task_id="mine", extra_body={"b": "é", "a": {"z": 1, "y": 0.5}, "external_task_id": "x"})
    assert canonical(it).decode() == (
        '{"a":{"y":0.5,"z":1},"b":"é","face_choose":[{"audio_id":"825451760499568680","face_id":"-1",'
        '"original_audio_volume":1,"sound_end_time":5000,"sound_insert_time":1000,"sound_start_time":0,'
        '"sound_volume":1}],"session_id":"825465778199224380"}'
    )


def test_canonical_begins_with_the_prefix() -> None:
    """The same content under another prefix is another job."""
    assert canonical(request(), prefix="a-") == b"a-" + canonical(request())


def test_one_clip_has_one_canonical_form(tmp_path: Path) -> None:
    """File, bytes, Base64 text and a digest that is known already say the same."""
    path = tmp_path / "a.mp3"
    path.write_bytes(CLIP.data)
    forms = (CLIP, AudioFile(path), b64encode(CLIP.data).decode())
    told = {canonical(request(face(audio_id=None, sound_file=form))) for form in forms}
    told.add(canonical(request(face(audio_id=None, sound_file=CLIP)), CLIP.digest()))
    assert len(told) == 1
    assert f'"sound_file":"sha256:{CLIP.digest()}"'.encode() in told.pop()


@pytest.mark.parametrize("text", ["https://example.test/a.mp3", "no Base64!", "abc", "日本"])
def test_other_texts_stand_for_themselves(text: str) -> None:
    """A URL, or what is no Base64, is told as it is."""
    assert f'"sound_file":"{text}"'.encode() in canonical(request(face(audio_id=None, sound_file=text)))


# --- read_reply: the samples --------------------------------------------------------------------------------------

CREATES = [name for name, it in SAMPLES.items() if it["request"].endswith("POST /kling/v1/videos/advanced-lip-sync")]
QUERIES = [name for name, it in SAMPLES.items() if it["request"].endswith("advanced-lip-sync/{id}")]


@pytest.mark.parametrize("name", CREATES)
def test_create_samples(name: str) -> None:
    """Each sample of a create tells its status, code, words and ids."""
    it = SAMPLES[name]
    read = read_reply(*sample(name))
    body = it.get("body", {})
    assert read.status == it["status"]
    assert read.task_id == it["expect"].get("task_id")
    assert read.success is (name[0] == "s")
    assert read.parsed is ("body" in it)
    assert read.html is ("html" in it["headers"].get("Content-Type", ""))
    assert read.code == (body.get("code") if "code" in body else body.get("error", {}).get("code") or None)
    expected = body.get("request_id") or it["headers"].get("X-Oneapi-Request-Id")
    assert read.request_id == expected
    if "status" in it["expect"]:
        assert read.task_status == it["expect"]["status"]


@pytest.mark.parametrize("name", QUERIES)
def test_query_samples(name: str) -> None:
    """Each sample of a query tells the task's status, video and price."""
    expect = SAMPLES[name]["expect"]
    read = read_task(*sample(name))
    if expect.get("class") == "not_found":
        assert read.found is False
        return
    assert read.found is True
    assert read.reply.task_status == expect["status"].removesuffix("ed").replace("submitt", "submitted")
    assert read.video_url == expect.get("url", read.video_url)
    assert (read.video_url is None) is (expect["status"] != "succeeded")
    assert read.units == expect.get("units", read.units)
    assert read.reason is None


def test_native_create_in_full() -> None:
    """Every field of a native reply is read, times in seconds."""
    read = read_reply(*sample("s01_submit_ok_kling_native"))
    assert (read.code, read.message, read.external_task_id) == (0, "SUCCEED", "batch7-000042")
    assert read.task_status is TaskStatus.SUBMITTED
    assert read.created_at == 1783000000.123
    assert (read.raw_task_status, read.retry_after) == (None, None)
    assert (read.suspicious, read.broken, read.html) == (False, False, False)


def test_native_query_in_full() -> None:
    """Every field of a finished task is read."""
    read = read_task(*sample("q02_succeed_native"))
    assert read.duration == 7.041
    assert read.units == "1"
    assert read.watermark_url is None
    assert read.reply.external_task_id == "batch7-000042"


def test_native_list() -> None:
    """A page of tasks is read task by task."""
    tasks = read_task_list(*sample("q04_list_native"))
    assert tasks is not None
    assert [it.reply.external_task_id for it in tasks] == ["batch7-000042", "batch7-000043"]
    assert [it.found for it in tasks] == [True, True]
    assert [it.reply.task_status for it in tasks] == [TaskStatus.SUCCEED, TaskStatus.PROCESSING]
    assert tasks[0].video_url is not None


# --- read_reply: dialects -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": 0, "data": {"task_id": "A", "id": "B", "taskId": "C"}, "task_id": "D", "id": "E"}, "A"),
        ({"code": 0, "data": {"id": "B", "taskId": "C"}, "task_id": "D", "id": "E"}, "B"),
        ({"code": 0, "data": {"taskId": "C"}, "task_id": "D", "id": "E"}, "C"),
        ({"code": 0, "data": "F", "task_id": "D", "id": "E"}, "F"),
        ({"code": 0, "data": {}, "task_id": "D", "id": "E"}, "D"),
        ({"code": 0, "id": "E"}, "E"),
        ({"code": "0", "data": {"task_id": "A"}}, "A"),
        ({"code": True, "data": {"task_id": "A"}}, "A"),
        ({"data": {"task_id": "A"}}, "A"),
        ({"code": "success", "data": {"task_id": "A", "data": {"code": 0, "data": {"task_id": "B"}}}}, "B"),
        ({"code": 0, "data": '{"task_id": "A"}'}, "A"),
        ({"code": 0, "data": {"task_id": 860000000000000001}}, "860000000000000001"),
        ({"code": 0, "data": {"task_id": 2**63 + 1}}, "9223372036854775809"),
        ({"code": 0, "data": {"task_id": 10**30 + 1}}, "1" + "0" * 29 + "1"),
        ({"code": 0, "data": {"task_id": " A "}}, "A"),
        ({"code": 0, "data": {"task_id": 8.6e17}}, None),
        ({"code": 0, "data": {"task_id": ""}}, None),
        ({"code": 0, "data": {"task_id": "  "}}, None),
        ({"code": 0, "data": {"task_id": None}}, None),
        ({"code": 0, "data": {"task_id": True}}, None),
        ({"code": 0, "data": {"task_id": ["A"]}}, None),
        ({"code": 0, "data": {"task_id": "two words"}}, None),
        ({"code": 0, "data": {"task_id": "x" * 257}}, None),
        ({"code": 0, "data": {"task_id": 10**300}}, None),
        ({"code": 0, "data": "two words"}, None),
        ({"code": 0, "data": ["A"]}, None),
        ({"code": 0, "request_id": "R"}, None),
        ({"code": 0, "data": {"task_id": "A", "data": {"data": {"data": {"task_id": "too deep"}}}}}, "A"),
    ],
)
def test_task_id_in_the_contracts_order(body: object, expected: str | None) -> None:
    """The first of the known places counts; a number keeps all its digits, and a float has lost them."""
    read = reply(body)
    assert read.success
    assert read.task_id == expected


@pytest.mark.parametrize("code", [None, 0, "0", 200, "success", True])
def test_success_codes(code: object) -> None:
    """Six spellings of success, the absent one among them."""
    assert reply({"code": code, "data": {"task_id": "A"}}).success


@pytest.mark.parametrize("code", [False, 1, "1", "200", "", "ok", 201, -1, 5, 0.5, [], {}])
def test_other_codes_are_no_success(code: object) -> None:
    """What merely looks like success is none; its task id is kept for all that."""
    read = reply({"code": code, "data": {"task_id": "A", "id": "B"}})
    assert not read.success
    assert read.task_id == "A"


@pytest.mark.parametrize(
    "body",
    [
        {"success": False, "id": "A"},
        {"error": {"message": "no"}, "id": "A"},
        {"error": "no", "id": "A", "status": "error"},
        {"code": 0, "data": {"code": 77, "id": "A"}},
        {"code": 77, "data": "A"},
    ],
)
def test_signs_of_an_error_beat_an_absent_code(body: object) -> None:
    """A refusal's own `id` is taken for no task."""
    read = reply(body)
    assert not read.success
    assert read.task_id is None


def test_failed_video_object_is_a_task() -> None:
    """An OpenAI video that failed carries an error, and was created all the same."""
    read = reply({"id": "A", "object": "video", "status": "failed", "error": {"message": "no face", "code": "x"}})
    assert read.success
    assert (read.task_id, read.task_status) == ("A", TaskStatus.FAILED)


@pytest.mark.parametrize(
    ("spelling", "status"),
    [
        *((it, "submitted") for it in ("", "submitted", "Queued", "PENDING", "NOT_START")),
        *((it, "processing") for it in ("processing", "in_progress", "RUNNING")),
        *((it, "succeed") for it in ("succeed", "succeeded", "SUCCESS", "completed", "done")),
        *((it, "failed") for it in ("failed", "fail", "FAILURE", "error", "cancelled")),
    ],
)
@pytest.mark.parametrize("name", ["task_status", "status", "state"])
def test_status_spellings(name: str, spelling: str, status: str) -> None:
    """The contract's spellings fold into four, in any case and under three names."""
    for body in ({"code": 0, "data": {"task_id": "A", name: spelling}}, {"task_id": "A", name: spelling}):
        read = reply(body)
        assert (read.task_status, read.raw_task_status) == (status, None)


def test_unknown_status_is_still_running() -> None:
    """A status that the contract does not know is reported, and the task counts as running."""
    read = reply({"code": 0, "data": {"task_id": "A", "task_status": "thinking " * 20}})
    assert read.task_status is TaskStatus.PROCESSING
    assert read.raw_task_status == ("thinking " * 20)[:64]


def test_status_that_is_no_text_is_none() -> None:
    """An HTTP status repeated in the body is no task's status."""
    assert reply({"code": 0, "status": 200, "data": {"task_id": "A"}}).task_status is None


def test_inner_status_is_preferred() -> None:
    """What `data.data` says beats what stands around it; a blank says less than a word."""
    body = {"code": 0, "data": {"task_id": "A", "status": "IN_PROGRESS", "data": {"task_status": "succeed"}}}
    assert reply(body).task_status is TaskStatus.SUCCEED
    assert reply({"status": "completed", "data": {"task_id": "A", "status": ""}}).task_status is TaskStatus.SUCCEED


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1783000000, 1783000000.0),
        (999_999_999_999, 999_999_999_999.0),
        (10**12, 1e9),
        (1783000000123, 1783000000.123),
        ("1783000000123", 1783000000.123),
        (0, None),
        (-5, None),
        (True, None),
        ("soon", None),
        ([1], None),
        (10**400, None),
    ],
)
def test_times(value: object, seconds: float | None) -> None:
    """Times of 1e12 and more are milliseconds; nonsense is none."""
    assert reply({"code": 0, "data": {"task_id": "A", "created_at": value}}).created_at == seconds


@pytest.mark.parametrize("name", ["createdAt", "submit_time", "create_time"])
def test_times_by_other_names(name: str) -> None:
    """Other dialects name the time of creation otherwise."""
    assert reply({"task_id": "A", name: 1783000000}).created_at == 1783000000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"data": {"task_id": "A", "task_info": {"external_task_id": "x"}}}, "x"),
        ({"data": {"task_id": "A", "external_task_id": "x"}}, "x"),
        ({"task_id": "A", "external_task_id": "x"}, "x"),
        ({"task_id": "A", "task_info": "x", "external_task_id": ""}, None),
    ],
)
def test_external_task_id(body: object, expected: str | None) -> None:
    """The id that a reply carries is read wherever it stands."""
    assert reply(body).external_task_id == expected


@pytest.mark.parametrize(
    ("extra", "expected"),
    [({}, None), ({"x-request-id": "a"}, "a"), ({"x-oneapi-request-id": "b"}, "b"), ({"X-Request-Id": " "}, None)],
)
def test_request_id_from_headers(extra: dict[str, str], expected: str | None) -> None:
    """Where the body has none, a header names the request, whatever the header's case."""
    assert reply({"code": 1201}, 400, **extra).request_id == expected
    assert reply({"code": 1201, "request_id": "c"}, 400, **extra).request_id == "c"


# --- read_reply: codes in every layer -----------------------------------------------------------------------------

INNER = {"code": 1303, "message": "parallel task over resource pack limit", "request_id": "r"}
TEXT = json.dumps(INNER)


@pytest.mark.parametrize(
    "body",
    [
        INNER,
        {"code": "1303", "message": "x"},
        {"code": 1303.0, "message": "x"},
        {"code": "fail_to_fetch_task", "message": TEXT, "data": None},
        {"code": "task_failed", "message": f"upstream said: {TEXT} (request id: x)"},
        {"code": "task_failed", "message": json.dumps({"error": {"message": TEXT}})},
        {"error": {"code": 1303, "message": "x"}},
        {"error": {"code": "upstream_error", "message": TEXT}},
        {"error": TEXT},
        {"error": "parallel task over resource pack limit"},
        {"errors": [{"detail": "x"}, INNER]},
        {"code": "success", "data": INNER},
        {"code": 0, "data": TEXT},
        {"code": 0, "message": "SUCCEED", "data": {"data": INNER}},
        {"code": 500, "msg": TEXT},
        {"code": "task_failed", "message": TEXT[:20]},
        {"code": "task_failed", "message": TEXT.replace('"', '\\"')},
        {"code": "task_failed", "message": "kling: {Code:1303 Message:busy}"},
        {"code": "task_failed", "message": "Parallel task over resource pack LIMIT"},
        {"code": 5000, "message": TEXT},
        {"detail": {"upstream": {"body": INNER}}},
        {"code": "task_failed", "message": f"{{id}} failed: {TEXT}"},
    ],
)
@pytest.mark.parametrize("status", [200, 400, 429, 499])
def test_kling_code_in_every_layer(status: int, body: object) -> None:
    """The platform's code is found where gateways bury it, whatever they put on top."""
    read = reply(body, status)
    assert read.code == 1303
    assert not read.success


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (INNER, 1303),
        ({"code": "success", "data": INNER}, 1303),
        ({"errors": [{"detail": "x"}, INNER]}, 1303),
        ({"detail": {"upstream": {"body": INNER}}}, 1303),
        ({"code": 0, "data": TEXT}, 0),
        ({"code": "task_failed", "message": TEXT}, "task_failed"),
        ({"code": "task_failed", "message": "{Code:1303 Message:busy}"}, "task_failed"),
        ({"message": '{"code":"quota_not_enough"}'}, None),
        ({"code": 5000, "message": TEXT}, 5000),
        ({"code": "task_failed", "message": '{"code":5001}'}, 5001),
        ({"code": "task_failed", "message": "Server internal timeout"}, 5002),
        ({"code": 1303, "message": '{"code":5001}'}, 5001),
        ({"code": 1302, "message": "insert_task_failed"}, "insert_task_failed"),
    ],
)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 524])
def test_of_trouble_only_code_fields_are_believed(status: int, body: object, code: object) -> None:
    """On a 5xx a text names no refusal; trouble that it names is trouble."""
    assert reply(body, status).code == code


@pytest.mark.parametrize(
    ("phrase", "code"),
    [
        ("Account balance not enough", 1102),
        ("api request too fast", 1302),
        ("Failure to pass the risk control system", 1301),
        ("Server temporarily unavailable", 5001),
    ],
)
def test_phrases_are_codes(phrase: str, code: int) -> None:
    """The platform's own words stand for its codes."""
    assert reply({"code": "task_failed", "message": f"error: {phrase}."}, 400).code == code


def test_a_number_beats_a_phrase() -> None:
    """Where a code is named, words are not interpreted."""
    assert reply({"code": 1302, "message": "Account balance not enough"}, 429).code == 1302


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "quota_not_enough"}, "quota_not_enough"),
        ({"error": {"code": "model_not_found"}}, "model_not_found"),
        ({"code": "", "error": {"code": "model_not_found"}}, "model_not_found"),
        ({"code": "outer", "error": {"code": "inner"}}, "outer"),
        ({"code": 40001}, 40001),
        ({"code": 999}, 999),
        ({"code": 6000}, 6000),
        ({"code": 2**60}, str(2**60)),
        ({"code": "12x4"}, "12x4"),
        ({"code": "x " * 150}, "x " * 50),
        ({"code": True}, None),
        ({"code": None}, None),
        ({"code": 0.5}, None),
        ({"code": {"code": "inner"}}, "inner"),
        ({"message": "the code: 13030 is not ours"}, None),
        ({}, None),
    ],
)
def test_the_gateways_own_code(body: object, code: object) -> None:
    """Without a code of the platform the gateway's outermost one counts."""
    assert reply(body, 400).code == code


def test_layers_have_an_end() -> None:
    """A code buried beyond all reason is not found, and searching for it is bounded."""
    body: Any = INNER
    for _ in range(10):
        body = {"error": body}
    assert reply(body, 400).code is None
    assert reply({"errors": [{"x": 1}] * 1000 + [INNER]}, 400).code is None


# --- read_reply: words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"code": 1, "message": "a"}, "a"),
        ({"code": 1, "msg": "a"}, "a"),
        ({"code": 1, "error": "a"}, "a"),
        ({"code": 1, "error": {"message": "a"}}, "a"),
        ({"code": 1, "errors": [{"detail": "a"}]}, "a"),
        ({"code": 1, "errors": []}, ""),
        ({"code": 1, "message": 5, "detail": "a"}, "a"),
        ({"code": 1, "message": {"message": {"message": {"message": {"message": {"message": "a"}}}}}}, ""),
        ({"code": 1}, ""),
        ({"code": 1, "message": "a\x1b[31m\n\u202eb"}, "a [31m  b"),
        ({"code": 1, "message": "x " * 400}, ("x " * 250)),
    ],
)
def test_messages(body: object, message: str) -> None:
    """The words of a refusal, wherever they stand: printable, at most 500 characters."""
    assert reply(body, 400).message == message


@pytest.mark.parametrize(
    "secret",
    [
        "A" * 101,
        b64encode(bytes(range(256)) * 4).decode(),
        b64encode(bytes(range(256)) * 4).decode().replace("/", "\\/"),
        "\n".join([b64encode(bytes(range(57))).decode()] * 4),
        "Bearer abc.def-123",
        "bearer  sk-0123456789",
        "sk-AbCdEfGhIjKlMnOp",
        "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhayJ9.c2ln",
    ],
)
def test_messages_hold_no_secret_and_no_sound(secret: str) -> None:
    """A gateway that quotes the request back does not put it into our logs."""
    message = reply({"code": 1, "message": f"bad: {secret} !"}, 400).message
    assert message.startswith("bad: ")
    assert message.endswith(" !")
    assert secret[7:] not in message
    assert len(message) < 40


def test_short_base64_stays_readable() -> None:
    """An id or a word of up to 100 characters is left alone."""
    assert reply({"code": 1, "message": "bad: " + "A" * 100}, 400).message == "bad: " + "A" * 100


# --- read_reply: bodies that are no JSON object -------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[{}]",
        b'"text"',
        b"5",
        b"NaN",
        b"true",
        b"{",
        b'{"code":0',
        b"[" * 99999,
    ],
)
def test_unreadable_bodies(body: bytes) -> None:
    """Whatever is no JSON object is read as nothing, without a fuss."""
    read = read_reply(200, headers(), body)
    assert (read.parsed, read.success, read.html) == (False, False, False)
    assert read.task_id is read.code is None


@pytest.mark.parametrize(
    ("body", "task_id", "suspicious"),
    [
        (b'\xef\xbb\xbf{"code":0,"data":{"task_id":"A"}}', "A", False),
        (b' \r\n{"code":0,"data":{"task_id":"A"}}\n ', "A", False),
        (b'{"code":0,"data":{"task_id":"A"}}{"code":500}', "A", True),
        (b'{"code":0,"data":{"task_id":"A"}}\n<html>', "A", True),
        (b'{"code":0,"data":{"task_id":"A","x":NaN}}', "A", False),
        (b'{"code":0,"data":{"task_id":"A","x":' + b"9" * 9999 + b"}}", "A", False),
        (b'{"code":0,"data":{"task_id":"A","x":1e999}}', "A", False),
        (b'{"code":0,"data":{"task_id":"A","x":"\xff\\ud800\n"}}', "A", False),
        (b'{"code":1,"code":0,"data":{"task_id":"B","task_id":"A"}}', "A", False),
        (b'{"code":0,"data":{"task_id":"A\xff"}}', None, False),
        (b'{"code":0,"data":{"task_id":"A\\ud800"}}', None, False),
        (b'{"code":0,"data":{"task_id":' + b"9" * 9999 + b"}}", None, False),
    ],
)
def test_odd_json(body: bytes, task_id: str | None, suspicious: bool) -> None:
    """Odd JSON is read by its first object; an id that was damaged is none."""
    read = read_reply(200, headers(), body)
    assert (read.task_id, read.suspicious) == (task_id, suspicious)
    assert read.parsed
    assert read.success


@pytest.mark.parametrize(
    ("content_type", "body", "html", "message"),
    [
        ("text/html", "<html><title>502 Bad Gateway</title>", True, "502 Bad Gateway"),
        ("text/plain", " \n<!DOCTYPE html><p>x", True, "<!DOCTYPE html><p>x"),
        ("text/html", "\ufeff<html>", True, "<html>"),
        ("text/html; charset=utf-8", "busy", True, "busy"),
        ("TEXT/HTML", "", False, ""),
        ("text/plain", "upstream <b> timed out", False, "upstream <b> timed out"),
        ("text/plain", "404 page not found", False, "404 page not found"),
    ],
)
def test_pages_and_texts(content_type: str, body: str, html: bool, message: str) -> None:
    """A page is known by its type or its first character, and speaks by its title."""
    read = read_reply(502, headers({"Content-Type": content_type}), body.encode())
    assert (read.html, read.parsed, read.message) == (html, False, message)


def test_json_with_a_pages_type_is_json() -> None:
    """A JSON object is read, whatever type its header claims."""
    read = read_reply(200, headers({"Content-Type": "text/html"}), b'{"code":0,"data":{"task_id":"A"}}')
    assert (read.task_id, read.html) == ("A", False)


def test_broken_is_passed_on() -> None:
    """The transport's word that a body did not arrive whole is kept."""
    assert read_reply(200, headers(), b'{"code":0}', broken=True).broken
    assert read_reply(200, headers(), b"", broken=True).broken
    assert read_task(200, headers(), b"", broken=True).reply.broken


# --- Retry-After --------------------------------------------------------------------------------------------------

NOW = 1_800_000_000.0
LATER = format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)
BEFORE = format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("86400", 86400.0),
        (LATER, 90.0),
        (BEFORE, 0.0),
        (LATER.replace(" GMT", ""), 90.0),
        ("-7", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("٣", None),
        ("9" * 16, None),
        ("Fri, 99 Foo 9999999999999999 99:99:99 GMT", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
@pytest.mark.parametrize("body", [b"", b'{"code":1302}'])
def test_retry_after(value: str, seconds: float | None, body: bytes) -> None:
    """Both forms of the header are read, and what makes no sense is not there."""
    read = read_reply(429, headers({"retry-after": value}), body, now=NOW)
    assert read.retry_after == seconds


def test_retry_after_date_needs_a_clock() -> None:
    """A date says nothing to one who does not know the time."""
    assert read_reply(429, headers({"Retry-After": LATER}), b"").retry_after is None


def test_retry_after_of_a_success_is_ignored() -> None:
    """An accepted job has nothing to wait for."""
    assert read_reply(200, headers({"Retry-After": "9"}), b'{"task_id":"A"}').retry_after is None


# --- tasks --------------------------------------------------------------------------------------------------------


def nested(status: str, **values: Any) -> Any:
    """new-api's own task object."""
    return {"code": "success", "message": "", "data": {"task_id": "A", "status": status, **values}}


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, {"code": 0, "data": {"task_id": "A"}}, True),
        (200, {"code": 0, "data": None}, None),
        (200, {"code": 0, "data": {}}, None),
        (200, {"code": 1203, "message": "no such task"}, False),
        (404, {"code": 1203}, False),
        (404, {"code": "task_not_exist"}, False),
        (404, {"message": "not found"}, False),
        (400, {"code": "task_not_exist"}, False),
        (400, {"code": "x", "message": "task_not_exist"}, False),
        (400, {"code": 1201, "message": "bad id"}, None),
        (404, {"code": 1202}, None),
        (404, {"error": {"message": "Invalid URL (GET /kling/v1/videos)"}}, None),
        (401, {"code": 1004}, None),
        (429, {"code": 1302}, None),
        (500, {"code": "task_not_exist"}, None),
        (503, {"code": 5001}, None),
        (502, {"code": 0, "data": {"task_id": "A"}}, None),
        (302, {"code": 0, "data": {"task_id": "A"}}, None),
        (200, {"code": 77, "data": {"task_id": "A"}}, None),
        (200, nested("FAILURE", data={"code": 1201, "message": "no face"}), True),
    ],
)
def test_what_an_answer_proves(status: int, body: object, found: bool | None) -> None:
    """Only a task with an id is found, only a clear word is a not-found, and all else proves nothing."""
    assert task(body, status).found is found


def test_a_broken_or_unreadable_answer_proves_nothing() -> None:
    """A 404 from who knows where does not say that there is no task."""
    assert read_task(404, headers(), b'{"code":1203}', broken=True).found is None
    assert read_task(404, headers(), b"<html>").found is None
    assert read_task(404, headers(), b"").found is None


def test_failed_task_gives_its_reason() -> None:
    """A failed task's top-level SUCCEED is not the reason; its status message is."""
    data = {"task_id": "A", "task_status": "failed", "task_status_msg": "no face in the video"}
    read = task({"code": 0, "message": "SUCCEED", "data": data})
    assert (read.reply.task_status, read.reason) == (TaskStatus.FAILED, "no face in the video")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (nested("FAILURE", fail_reason="no face"), "no face"),
        ({"id": "A", "object": "video", "status": "failed", "error": {"message": "no face"}}, "no face"),
        (nested("FAILURE"), None),
    ],
)
def test_reasons_by_other_names(body: object, reason: str | None) -> None:
    """Other dialects give the reason elsewhere, or not at all."""
    assert task(body).reason == reason


URL = "https://cdn.example.test/v.mp4"


@pytest.mark.parametrize(
    ("body", "url"),
    [
        ({"task_id": "A", "status": "SUCCESS"}, None),
        (nested("SUCCESS", fail_reason=URL), URL),
        (nested("SUCCESS", fail_reason="all is well"), None),
        (nested("SUCCESS", result_url=URL), URL),
        (nested("FAILURE", fail_reason=URL), None),
        (nested("IN_PROGRESS", url=URL), None),
        ({"id": "A", "status": "completed", "metadata": {"url": URL}}, URL),
        ({"id": "A", "status": "completed", "metadata": URL}, None),
        ({"id": "A", "status": "completed", "video_url": URL}, URL),
        ({"id": "A", "status": "completed", "url": "javascript:alert(1)"}, None),
        ({"id": "A", "status": "completed", "url": URL + "\n"}, None),
        ({"id": "A", "status": "completed", "task_result": {"videos": [{"url": URL}]}}, URL),
        ({"id": "A", "status": "completed", "task_result": {"videos": []}}, None),
        ({"id": "A", "status": "completed", "task_result": {"videos": "x"}}, None),
        ({"id": "A", "status": "completed", "task_result": {"videos": ["x"]}}, None),
        ({"id": "A", "status": "completed", "task_result": "x"}, None),
    ],
)
def test_where_the_video_is(body: object, url: str | None) -> None:
    """The finished video is found in every dialect, and a success without one stays one without."""
    assert task(body).video_url == url


def test_figures_of_a_task() -> None:
    """Duration and price are read as they are written; a watermarked copy has its own address."""
    video = {"url": URL, "watermark_url": URL + "?w", "duration": "7.041"}
    data = {"task_id": "A", "task_status": "succeed", "task_result": {"videos": [video]}, "final_unit_deduction": 0.5}
    read = task({"code": 0, "data": data})
    assert (read.duration, read.units, read.watermark_url) == (7.041, "0.5", URL + "?w")
    assert task({"id": "A", "status": "completed", "seconds": 7}).duration == 7.0
    assert task({"id": "A", "status": "completed"}).duration is None


@pytest.mark.parametrize("wrap", ["list", "items", "tasks", "records", "data"])
def test_wrapped_lists(wrap: str) -> None:
    """A page may stand one level deeper; what is no task in it is passed over."""
    body = {"code": 0, "data": {wrap: [{"task_id": "A"}, 5, {}], "total": 1}}
    tasks = read_task_list(200, headers(), json.dumps(body).encode())
    assert tasks is not None
    assert [it.found for it in tasks] == [True, None]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"code":0,"data":{"total":0}}'),
        (200, b'{"code":0,"data":null}'),
        (200, b'{"code":1303,"data":[]}'),
        (200, b"[]"),
        (200, b"<html>"),
        (199, b'{"code":0,"data":[]}'),
        (300, b'{"code":0,"data":[]}'),
        (500, b'{"code":0,"data":[]}'),
    ],
)
def test_no_list(status: int, body: bytes) -> None:
    """What is no page of tasks is None, which an empty page is not."""
    assert read_task_list(status, headers(), body) is None
    assert read_task_list(200, headers(), b'{"code":0,"data":[]}') == []


def test_importing_the_wire_is_light() -> None:
    """Nothing heavy is imported before a job line is read."""
    code = (
        "import sys, lipsync_async.wire.identity, lipsync_async.dispatch.retry, lipsync_async.wire.verdicts\n"
        "print({'aiohttp', 'anyio', 'asyncio', 'cattrs', 'sqlite3'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "set()", "")
