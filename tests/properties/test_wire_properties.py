"""The wire room against arbitrary bytes, arbitrary JSON and arbitrary requests."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from msgspec.structs import replace
from multidict import CIMultiDict

from lipsync_async.jobs.lines import read_request
from lipsync_async.jobs.texts import id_fault
from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.audio import AudioBytes
from lipsync_async.terms import Reply
from lipsync_async.wire import encode, read_reply, read_task, read_task_list
from lipsync_async.wire.identity import derive_id, fingerprint
from tests.amounts import how_many

VALIDATORS = [
    Draft4Validator(
        json.loads(path.read_text("utf-8"))["paths"]["/kling/v1/videos/advanced-lip-sync"]["post"]["requestBody"][
            "content"
        ]["application/json"]["schema"]
    )
    for path in sorted((Path(__file__).parents[1] / "openapi").glob("*.json"))
]

# --- replies ------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        "code",
        "data",
        "message",
        "msg",
        "error",
        "task_id",
        "id",
        "taskId",
        "task_status",
        "status",
        "state",
        "task_info",
        "external_task_id",
        "request_id",
        "created_at",
        "task_result",
        "videos",
        "url",
        "metadata",
        "fail_reason",
        "duration",
        "final_unit_deduction",
        "success",
        "object",
        "detail",
    ]
)
CODES = st.sampled_from([0, 200, "0", "success", True, False, 1201, 1303, "1302", 5001, 1.5, "x", "", None])
SCALARS = (
    CODES
    | st.integers()
    | st.floats()
    | st.text()
    | st.just('{"code":1303}')
    | st.integers().map(lambda n: 10**400 + n)
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=6)
        | inner.map(lambda it: json.dumps(it, default=str))
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=8)
BODIES = (
    st.binary()
    | JSON.map(lambda it: json.dumps(it).encode())
    | OBJECTS.map(lambda it: json.dumps(it).encode())
    | st.tuples(OBJECTS, st.binary(max_size=9)).map(
        lambda it: json.dumps(it[0], ensure_ascii=False).encode("utf-8", "surrogatepass") + it[1]
    )
)
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "retry-after", "Content-Type", "x-request-id", "X-Oneapi-Request-Id"]),
    st.text() | st.sampled_from(["9", "text/html", "application/json", "Fri, 31 Dec 1999 23:59:59 GMT"]),
).map(CIMultiDict)
STATUSES = st.integers(0, 999) | st.sampled_from([200, 400, 404, 429, 500])


def check(reply: Reply) -> None:
    """What may be relied upon in any reply."""
    for word in (reply.task_id, reply.external_task_id, reply.request_id):
        assert word is None or (0 < len(word) <= 256 and word.isprintable() and " " not in word)
    assert len(reply.message) <= 500
    assert reply.message.isprintable()
    assert reply.code is None or type(reply.code) in {int, str}
    assert reply.retry_after is None or 0 < reply.retry_after < 1e15
    assert reply.created_at is None or 0 < reply.created_at < 1e15
    assert reply.parsed or not (reply.success or reply.task_id or reply.code)
    assert not (reply.parsed and reply.html)
    json.dumps({"message": reply.message, "code": reply.code}, allow_nan=False).encode()


@settings(max_examples=how_many(200))
@given(STATUSES, HEADERS, BODIES, st.booleans(), st.none() | st.floats(0, 2e9))
def test_no_reply_raises(status: int, headers: CIMultiDict[str], body: bytes, broken: bool, now: float | None) -> None:
    """Whatever the bytes, a reply comes out, and its fields keep their promises."""
    check(read_reply(status, headers, body, broken=broken, now=now))


@settings(max_examples=how_many(200))
@given(STATUSES, HEADERS, BODIES, st.booleans())
def test_no_task_raises(status: int, headers: CIMultiDict[str], body: bytes, broken: bool) -> None:
    """Whatever the bytes, a task's answer comes out, agrees with the reply, and finds only what has an id."""
    task = read_task(status, headers, body, broken=broken)
    check(task.reply)
    reply = read_reply(status, headers, body, broken=broken)
    assert task.reply == (reply if task.reply.conflicting else replace(reply, conflicting=task.reply.conflicting))
    assert task.found is not True or task.reply.task_id
    assert not (broken and task.found is not None)
    for it in read_task_list(status, headers, body) or ():
        check(it.reply)


@given(st.integers(1, 30_000), st.sampled_from([b"[", b'{"data":', b'{"error":{"message":', b'{"a":[']))
def test_deep_replies_are_read_or_left(depth: int, opening: bytes) -> None:
    """No depth of nesting breaks the reader."""
    check(read_reply(200, CIMultiDict(), opening * depth))
    check(read_reply(200, CIMultiDict(), opening * depth + b"1"))


@given(st.integers(10**17, 10**40))
def test_numbers_keep_their_digits(number: int) -> None:
    """A task id given as a number of any length becomes a text without loss."""
    body = json.dumps({"code": 0, "data": {"task_id": number}}).encode()
    assert read_reply(200, CIMultiDict(), body).task_id == str(number)


@given(JSON, st.sampled_from(["message", "error", "data", "msg"]))
def test_a_buried_code_is_found(noise: Any, where: str) -> None:
    """Beside whatever else a refusal holds, a code in a text is seen."""
    body = json.dumps({where: 'upstream: {"code": 1303, "message": "x"}', "zzz": None}).encode()
    assert read_reply(400, CIMultiDict(), body).code == 1303


NOTICES = st.text(st.characters(exclude_characters="{[", exclude_categories=["Cs"]), max_size=60) | st.sampled_from(
    ["<br /><b>Warning</b>: x on line <b>3</b>", "<!doctype html><p>", "<!-- x -->", "Notice: ", "<style>p { }</style>"]
)
ANSWERS = st.sampled_from(
    [{"code": 0, "data": {"task_id": "A"}}, {"code": 1303, "message": "busy"}, {"error": {"message": "no"}}]
)


@given(NOTICES.filter(lambda text: text.strip("\ufeff \t\r\n")), ANSWERS, st.sampled_from([200, 400, 429]))
def test_a_notice_before_a_reply_changes_nothing_but_the_mark(before: str, answer: dict[str, Any], status: int) -> None:
    """Whatever stands before it, the object is read as if it stood alone."""
    body = json.dumps(answer).encode()
    alone = read_reply(status, CIMultiDict(), body)
    marked = read_reply(status, CIMultiDict(), before.encode() + body)
    assert replace(marked, suspicious=False, html=False) == alone
    assert (marked.suspicious, marked.html) == (bool(before.strip()), False)


@given(st.lists(ANSWERS, min_size=2, max_size=4))
def test_objects_in_a_row_are_in_doubt_where_they_differ(answers: list[dict[str, Any]]) -> None:
    """The first is read; it is in doubt as soon as one of the others says something else."""
    read = read_reply(200, CIMultiDict(), b"\n".join(json.dumps(it).encode() for it in answers))
    alone = read_reply(200, CIMultiDict(), json.dumps(answers[0]).encode())
    assert replace(read, suspicious=False, conflicting=False) == alone
    assert read.conflicting is any(it != answers[0] for it in answers)


# --- requests -----------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
MILLISECONDS = st.integers(0, 10**7) | st.integers(0, 10**7).map(float)
VOLUMES = st.sampled_from([0, 1, 2, 0.0, 1.0, 2.0])
SOUNDS = TEXTS | st.binary(min_size=1, max_size=99).map(AudioBytes) | st.none()
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
KNOWN = {"session_id", "face_choose", "external_task_id", "callback_url"}
EXTRAS = st.dictionaries(TEXTS.filter(lambda name: name not in KNOWN), PLAIN | st.lists(PLAIN), max_size=3)
FACES = st.builds(
    FaceChoice,
    face_id=TEXTS,
    audio_id=st.none() | TEXTS,
    sound_file=SOUNDS,
    sound_start_time=MILLISECONDS,
    sound_end_time=MILLISECONDS,
    sound_insert_time=MILLISECONDS,
    sound_volume=VOLUMES,
    original_audio_volume=VOLUMES,
)
REQUESTS = st.builds(
    LipSyncRequest,
    session_id=TEXTS,
    face_choose=st.tuples(FACES),
    callback_url=st.none() | TEXTS,
    watermark_info=st.none() | st.fixed_dictionaries({"enabled": st.booleans()}),
    extra_body=st.none() | EXTRAS,
)


def whole(request: LipSyncRequest, external_task_id: str) -> bytes:
    """All that goes over the wire."""
    body = encode(request, external_task_id)
    sound = b"".join(body.sound.slices(9)) if body.sound else b""
    data = body.head + sound + body.tail
    assert len(data) == body.length
    return data


@given(REQUESTS, TEXTS)
def test_requests_round_trip(request: LipSyncRequest, external_task_id: str) -> None:
    """What is built is what a gateway reads: valid for both seeds, the same bytes each time, and nothing empty."""
    data = whole(request, external_task_id)
    assert data == whole(request, external_task_id)
    wire = json.loads(data)
    for validator in VALIDATORS:
        validator.validate(wire)
    face, sent = request.face_choose[0], wire["face_choose"][0]
    sound = face.sound_file
    told = b64encode(sound.data).decode() if isinstance(sound, AudioBytes) else sound
    assert sent.get("sound_file") == (None if sound in {None, ""} else told)
    assert sent.get("audio_id") == (face.audio_id or None)
    assert wire.get("external_task_id") == (external_task_id or None)
    assert wire.get("callback_url") == (request.callback_url or None)
    assert sent["sound_end_time"] == face.sound_end_time
    assert {name: wire[name] for name in request.extra_body or {}} == (request.extra_body or {})


@given(REQUESTS)
def test_identity_survives_the_wire(request: LipSyncRequest) -> None:
    """A request that is written down as a job line and read again is the same job, its sound as Base64."""
    ids = (request.session_id, request.face_choose[0].face_id, request.face_choose[0].audio_id or "x")
    no_ids = not all(ids) or any(map(id_fault, ids))
    wire = json.loads(whole(request, "x"))
    extra = {name: wire.pop(name) for name in request.extra_body or {} if name in wire}
    read, _ = read_request({**wire, "extra_body": extra or None})
    assert read is not None or no_ids
    if read is not None:
        assert derive_id(read) == derive_id(request)
        assert fingerprint(read) == fingerprint(request)


@given(st.dictionaries(NAMES | st.sampled_from(["session_id", "face_choose", "sound_path", "extra_body"]), JSON))
def test_no_job_line_raises(line: dict[str, Any]) -> None:
    """Whatever object stands in a line, it is a request, or there is an error that says why not."""
    request, found = read_request(line)
    assert (request is None) is any(violation.severity == "error" for violation in found)
    assert all(violation.path and violation.message for violation in found)


@given(st.dictionaries(st.sampled_from([*FaceChoice.__annotations__, "sound_path", "x"]), JSON))
def test_no_face_raises(face: dict[str, Any]) -> None:
    """The same for whatever stands in a face, in either form."""
    for line in ({"session_id": "s", "face_choose": [face]}, {"session_id": "s", **face}):
        request, found = read_request(line)
        assert (request is None) is any(violation.severity == "error" for violation in found)
