"""Every reply shape of the contract, sections 3 and 4, as bytes, by what it means; and the framings it comes in."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from lipsync_async.terms import Kind

from .raw import NOT_FOUND, TASK_ID, answering, gzipped, reply

SAMPLES = Path(__file__).parent.parent / "wire-samples"


def sample(name: str) -> bytes:
    """A sample's reply as bytes on the wire."""
    (path,) = SAMPLES.glob(f"{name}_*.json")
    it = json.loads(path.read_text("utf-8"))
    body = it["body_text"] if "body_text" in it else it["body"]
    others = [
        f"{key}: {value}" for key, value in it["headers"].items() if key not in {"Content-Type", "Content-Length"}
    ]
    return reply(body, it["status"], *others, kind=it["headers"].get("Content-Type", "text/plain"))


def kling(code: int, status: int, message: str = "as the document says", *headers: str) -> bytes:
    """A refusal in Kling's own form."""
    return reply({"code": code, "message": message, "request_id": "r-9"}, status, *headers)


def new_api(code: str, status: int, message: str = "upstream said no") -> bytes:
    """A refusal in new-api's form for tasks."""
    return reply({"code": code, "message": message, "data": None}, status)


def said(status: int, message: str = "no", **values: str) -> bytes:
    """A refusal in OpenAI's form."""
    return reply({"error": {"message": message, "type": "new_api_error", "code": "", **values}}, status)


def page(status: int, title: str = "Bad Gateway") -> bytes:
    """A page of HTML."""
    return reply(f"<html><head><title>{title}</title></head><body>nginx</body></html>", status, kind="text/html")


NATIVE = {"task_id": TASK_ID, "task_status": "submitted", "task_info": {"external_task_id": "job-1"}}

ACCEPTED: dict[str, bytes] = {
    "native sample": sample("s01"),
    "openai-video sample": sample("s02"),
    "native": reply({"code": 0, "message": "SUCCEED", "data": NATIVE}),
    "created 201": reply({"code": 0, "data": NATIVE}, 201),
    "202": reply({"code": 0, "data": NATIVE}, 202),
    "nested": reply({"code": "success", "data": {"task_id": TASK_ID, "status": "NOT_START", "data": {"code": 0}}}),
    "nested with the native reply inside": reply(
        {"code": "success", "data": {"task_id": TASK_ID, "data": {"code": 0, "message": "SUCCEED", "data": NATIVE}}}
    ),
    "hybrid": reply({"code": 0, "task_id": TASK_ID, "data": NATIVE}),
    "camel": reply({"code": 200, "msg": "ok", "data": {"taskId": TASK_ID, "state": "queued"}}),
    "no code": reply({"data": NATIVE}),
    "code 0 as text": reply({"code": "0", "data": NATIVE}),
    "code true": reply({"code": True, "data": NATIVE}),
    "data.id": reply({"code": 0, "data": {"id": TASK_ID}}),
    "data is the id": reply({"code": 0, "data": TASK_ID}),
    "task_id alone": reply({"task_id": TASK_ID}),
    "id alone": reply({"id": TASK_ID}),
    "a number for an id": reply('{"code":0,"data":{"task_id":860000000000000001}}'),
    "text/plain": reply(json.dumps({"code": 0, "data": NATIVE}), kind="text/plain"),
    "byte order mark": reply(b"\xef\xbb\xbf" + json.dumps({"code": 0, "data": NATIVE}).encode()),
    "data as text": reply({"code": 0, "data": json.dumps(NATIVE)}),
    "an unknown status": reply({"code": 0, "data": {**NATIVE, "task_status": "warming_up"}}),
    "two objects in a row that agree": reply(json.dumps({"code": 0, "data": NATIVE}) * 2),
    "two objects in a row, one of which says nothing": reply(json.dumps({"code": 0, "data": NATIVE}) + '{"took":3}'),
    "a warning of PHP before it": reply(
        "<br />\n<b>Warning</b>:  Undefined array key 3 in <b>/www/relay.php</b> on line <b>12</b><br />\n"
        + json.dumps({"code": 0, "data": NATIVE}),
        kind="text/html",
    ),
    "a comment before it": reply("<!-- served by 3 -->" + json.dumps({"code": 0, "data": NATIVE}), kind="text/html"),
    "a proxy's page before it": reply(
        "<!DOCTYPE html><html><head><style>p { color: red }</style></head><body><p>Please wait</p></body></html>"
        + json.dumps({"code": 0, "data": NATIVE}),
        kind="text/html",
    ),
    "a notice in words before it": reply(
        "Notice: Undefined index in /x.php on line 3\n" + json.dumps({"code": 0, "data": NATIVE})
    ),
    "an object and a page": reply(json.dumps({"code": 0, "data": NATIVE}) + "<html></html>"),
    "invalid UTF-8 elsewhere": reply(b'{"code":0,"message":"\xff\xfe","data":{"task_id":"860000000000000001"}}'),
    "NaN elsewhere": reply('{"code":0,"x":NaN,"y":Infinity,"data":{"task_id":"860000000000000001"}}'),
    "huge integers elsewhere": reply('{"code":0,"x":' + "9" * 50_000 + ',"data":{"task_id":"860000000000000001"}}'),
    "huge floats elsewhere": reply('{"code":0,"created_at":1e999,"data":{"task_id":"860000000000000001"}}'),
    "control characters in texts": reply(
        b'{"code":0,"message":"a\x00\x01\nb","data":{"task_id":"860000000000000001"}}'
    ),
    "the same key twice": reply('{"code":5000,"code":0,"data":{"task_id":"860000000000000001"}}'),
    "a Retry-After beside it": reply({"code": 0, "data": NATIVE}, 200, "Retry-After: 9"),
}

REJECTED: dict[str, tuple[bytes, Kind]] = {
    "bad parameter sample": (sample("e07"), Kind.INVALID_REQUEST),
    "content policy sample": (sample("e09"), Kind.CONTENT_POLICY),
    "413 sample": (sample("g17"), Kind.TOO_LARGE),
    "1200": (kling(1200, 400), Kind.INVALID_REQUEST),
    "1201": (kling(1201, 400, "session_id is invalid"), Kind.INVALID_REQUEST),
    "1201 says that something does not exist": (kling(1201, 400, "task audio not exist"), Kind.INVALID_REQUEST),
    "1203 resource": (kling(1203, 404, "session not found"), Kind.INVALID_REQUEST),
    "1300": (kling(1300, 400), Kind.CONTENT_POLICY),
    "1301": (kling(1301, 400), Kind.CONTENT_POLICY),
    "the risk phrase without a code": (
        new_api("task_failed", 400, "Failure to pass the risk control system"),
        Kind.CONTENT_POLICY,
    ),
    "1301 with 200": (kling(1301, 200), Kind.CONTENT_POLICY),
    "1201 inside a message": (
        new_api("task_failed", 400, '{"code":1201,"message":"face_id is invalid","request_id":"x"}'),
        Kind.INVALID_REQUEST,
    ),
    "1201 inside an escaped message": (
        reply({"error": {"message": 'upstream: {\\"code\\":1201,\\"message\\":\\"bad face\\"}', "code": "x"}}, 400),
        Kind.INVALID_REQUEST,
    ),
    "sensitive words": (new_api("sensitive_words_detected", 400), Kind.CONTENT_POLICY),
    "400 in OpenAI's form": (said(400, "invalid face"), Kind.INVALID_REQUEST),
    "400 with nothing": (reply(b"", 400), Kind.INVALID_REQUEST),
    "422 of a validator": (reply({"detail": [{"loc": ["body"], "msg": "required"}]}, 422), Kind.INVALID_REQUEST),
    "413 in JSON": (said(413, "request entity too large"), Kind.TOO_LARGE),
    "404 that names the face": (said(404, "face not found"), Kind.INVALID_REQUEST),
    "451": (reply(b"", 451), Kind.CONTENT_POLICY),
}

STOPPED: dict[str, tuple[bytes, Kind]] = {
    "1102 sample": (sample("e03"), Kind.QUOTA),
    "1004 sample with a fixed key": (sample("e06"), Kind.AUTH),
    "quota sample": (sample("g07"), Kind.QUOTA),
    "invalid token sample": (sample("g10"), Kind.AUTH),
    "action unsupported sample": (sample("g18"), Kind.CONFIGURATION),
    "1000": (kling(1000, 401), Kind.AUTH),
    "1001": (kling(1001, 401), Kind.AUTH),
    "1002": (kling(1002, 401), Kind.AUTH),
    "1003 with a fixed key": (kling(1003, 401), Kind.AUTH),
    "1100": (kling(1100, 429), Kind.QUOTA),
    "1101": (kling(1101, 429), Kind.QUOTA),
    "1102": (kling(1102, 429), Kind.QUOTA),
    "1102 with 200": (kling(1102, 200), Kind.QUOTA),
    "the balance phrase without a code": (new_api("fail_to_fetch_task", 429, "Account balance not enough"), Kind.QUOTA),
    "1103": (kling(1103, 403), Kind.PERMISSION),
    "1202": (kling(1202, 404), Kind.CONFIGURATION),
    "1304": (kling(1304, 429), Kind.PERMISSION),
    "insufficient_user_quota": (said(403, "no", code="insufficient_user_quota"), Kind.QUOTA),
    "401 whose text speaks of quota": (said(401, "该令牌额度已用尽 TokenStatusExhausted"), Kind.QUOTA),
    "401 with nothing": (reply(b"", 401), Kind.AUTH),
    "402": (said(402), Kind.QUOTA),
    "403 with a page": (page(403, "Forbidden"), Kind.PERMISSION),
    "405": (reply(b"", 405), Kind.CONFIGURATION),
    "407": (reply(b"", 407), Kind.CONFIGURATION),
    "501": (reply(b"", 501), Kind.CONFIGURATION),
    "511 of a portal": (page(511, "Log in"), Kind.CONFIGURATION),
}

MISSING: dict[str, bytes] = {
    "route missing sample": sample("g13"),
    "HTML 200 sample": sample("g14"),
    "404 with a page": page(404, "Not Found"),
}

WAITED_FOR: dict[str, tuple[bytes, Kind]] = {
    "1303 sample": (sample("e01"), Kind.CAPACITY),
    "1302 sample": (sample("e02"), Kind.RATE),
    "masked 429 sample": (sample("g01"), Kind.CAPACITY),
    "empty 429 sample": (sample("g12"), Kind.RATE),
    "1302": (kling(1302, 429), Kind.RATE),
    "1303": (kling(1303, 429), Kind.CAPACITY),
    "1302 with 200": (kling(1302, 200), Kind.RATE),
    "1303 with 400": (new_api("task_failed", 400, '{"code":1303,"message":"parallel task"}'), Kind.CAPACITY),
    "the capacity phrase alone": (said(400, "parallel task over resource pack limit"), Kind.CAPACITY),
    "1303 as a text": (reply({"code": "1303", "message": "no"}, 429), Kind.CAPACITY),
    "1303 two layers down": (
        reply({"code": "fail", "data": json.dumps({"error": {"message": '{"code":1303,"message":"x"}'}})}, 400),
        Kind.CAPACITY,
    ),
    "1303 with 503": (kling(1303, 503), Kind.CAPACITY),
    "nginx 503-free 429 page": (page(429, "Too Many Requests"), Kind.RATE),
    "429 with Retry-After": (reply(b"", 429, "Retry-After: 3"), Kind.RATE),
    "429 with a date": (reply(b"", 429, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"), Kind.RATE),
    "429 with nonsense": (reply(b"", 429, "Retry-After: soon"), Kind.RATE),
    "429 rate_limit_exceeded": (said(429, "slow down", code="rate_limit_exceeded"), Kind.RATE),
}

UNKNOWN: dict[str, tuple[bytes, Kind]] = {
    "5001 sample": (sample("e11"), Kind.SERVER),
    "do_request_failed sample": (sample("g04"), Kind.SERVER),
    "502 page sample": (sample("g15"), Kind.SERVER),
    "5000": (kling(5000, 500), Kind.SERVER),
    "5002": (kling(5002, 504), Kind.SERVER),
    "5000 with 200": (kling(5000, 200), Kind.SERVER),
    "503 with Retry-After": (kling(5001, 503, "later", "Retry-After: 2"), Kind.SERVER),
    "insert_task_failed": (new_api("insert_task_failed", 500), Kind.SERVER),
    "do_request_failed as a 400": (new_api("do_request_failed", 400), Kind.SERVER),
    "insert_task_failed around 1302": (
        reply({"code": "insert_task_failed", "message": "no", "data": {"code": 1302}}, 429),
        Kind.SERVER,
    ),
    "do_request_failed that speaks of 1300": (new_api("do_request_failed", 400, "code=1300"), Kind.SERVER),
    "504 that speaks of 1302": (new_api("task_failed", 504, "api request too fast"), Kind.SERVER),
    "502 that speaks of 1201": (new_api("task_failed", 502, "code: 1201 bad"), Kind.SERVER),
    "500 that quotes 1303": (new_api("task_failed", 500, '{"code":1303,"message":"x"}'), Kind.SERVER),
    "500 with nothing": (reply(b"", 500), Kind.SERVER),
    "500 in OpenAI's form": (said(500), Kind.SERVER),
    "503 page": (page(503, "Service Unavailable"), Kind.SERVER),
    "504 page": (page(504, "Gateway Time-out"), Kind.SERVER),
    "520": (page(520), Kind.SERVER),
    "522": (page(522), Kind.SERVER),
    "524": (page(524, "A timeout occurred"), Kind.SERVER),
    "529": (reply(b"", 529), Kind.SERVER),
    "408": (reply(b"", 408), Kind.TIMEOUT),
    "499": (reply(b"", 499), Kind.TIMEOUT),
    "424": (reply(b"", 424), Kind.SERVER),
    "200 without a task": (reply({"code": 0, "message": "SUCCEED", "data": {}}), Kind.PROTOCOL),
    "200 with nothing": (reply(b""), Kind.PROTOCOL),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", Kind.PROTOCOL),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", Kind.PROTOCOL),
    "302": (reply(b"", 302, "Location: /elsewhere"), Kind.PROTOCOL),
    "303": (reply(b"", 303, "Location: /elsewhere"), Kind.PROTOCOL),
    "request_id alone": (reply({"code": 0, "request_id": TASK_ID}), Kind.PROTOCOL),
    "200 with a text": (reply("OK", kind="text/plain"), Kind.PROTOCOL),
    "200 with a list": (reply([{"task_id": TASK_ID}]), Kind.PROTOCOL),
    "200 with a number": (reply("42"), Kind.PROTOCOL),
    "200 null": (reply("null"), Kind.PROTOCOL),
    "half an object": (reply('{"code":0,"data":{"task_id":"8600'), Kind.PROTOCOL),
    "a float for an id": (reply('{"code":0,"data":{"task_id":8.6e17}}'), Kind.PROTOCOL),
    "an id of 300 characters": (reply({"code": 0, "data": {"task_id": "9" * 300}}), Kind.PROTOCOL),
    "an id that is no UTF-8": (reply(b'{"code":0,"data":{"task_id":"86\xff\xfe"}}'), Kind.PROTOCOL),
    "100,000 brackets": (reply(b"[" * 100_000), Kind.PROTOCOL),
    "100,000 braces": (reply(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), Kind.PROTOCOL),
    "100,000 brackets inside": (reply(b'{"code":0,"data":' + b"[" * 100_000), Kind.PROTOCOL),
    "UTF-16": (reply(json.dumps({"code": 0, "data": NATIVE}).encode("utf-16")), Kind.PROTOCOL),
    "two objects in a row that disagree": (
        reply(json.dumps({"code": 0, "data": NATIVE}) + '{"code":"insert_task_failed"}'),
        Kind.PROTOCOL,
    ),
    "a refusal and then a success": (
        reply('{"code":1303,"message":"busy"}' + json.dumps({"code": 0, "data": NATIVE}), 429),
        Kind.PROTOCOL,
    ),
    "two tasks in a row": (
        reply(json.dumps({"code": 0, "data": NATIVE}) + '{"code":0,"data":{"task_id":"77"}}'),
        Kind.PROTOCOL,
    ),
    "a refusal that quotes a success": (
        new_api("task_failed", 429, "too many requests: " + json.dumps({"code": 0, "data": NATIVE})),
        Kind.PROTOCOL,
    ),
    "a refusal that quotes half a success": (
        kling(1303, 429, 'upstream: {"code":0,"data":{"task_id":"8600000'),
        Kind.PROTOCOL,
    ),
    "a warning of PHP alone": (
        reply("<br />\n<b>Fatal error</b>: Allowed memory size exhausted<br />\n", kind="text/html"),
        Kind.PROTOCOL,
    ),
    "a warning of PHP and half a success": (
        reply('<b>Warning</b><br />\n{"code":0,"data":{"task_id":"8600', kind="text/html"),
        Kind.PROTOCOL,
    ),
    "success false": (reply({"success": False, "data": NATIVE}), Kind.PROTOCOL),
    "an error beside a task": (reply({"code": 0, "error": {"message": "x"}, "data": NATIVE}), Kind.PROTOCOL),
}

EXISTS: dict[str, bytes] = {
    "1201 sample": sample("e08"),
    "409": said(409, "conflict"),
    "1201 of a plain ID": kling(1201, 400, "ID already exists"),
    "1201 in Chinese": kling(1201, 400, "任务ID重复"),
    "1201 inside new-api": new_api("task_failed", 400, '{"code":1201,"message":"external_task_id already exists"}'),
}


@frozen
class Framing:
    """One way of putting a body on the wire."""

    name: str

    def __call__(self, whole: bytes) -> bytes:
        """The same reply, framed so."""
        head, _, body = whole.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        if first.split()[1] in {b"204", b"304"}:
            return whole
        lines = [line for line in lines if not line.lower().startswith(b"content-length")]
        match self.name:
            case "chunked":
                lines.append(b"Transfer-Encoding: chunked")
                halves = body[: len(body) // 2], body[len(body) // 2 :]
                chunks = [f"{len(half):x}\r\n".encode() + half + b"\r\n" for half in halves if half]
                body = b"".join(chunks) + b"0\r\n\r\n"
            case "gzip":
                body = gzipped(body)
                lines += [b"Content-Encoding: gzip", f"Content-Length: {len(body)}".encode()]
            case "deflate":
                body = zlib.compress(body)
                lines += [b"Content-Encoding: deflate", f"Content-Length: {len(body)}".encode()]
            case "by its end":
                lines.append(b"Connection: close")
            case _:
                return whole
        return b"\r\n".join([first, *lines]) + b"\r\n\r\n" + body


FRAMINGS = [Framing(name) for name in ("as it is", "chunked", "gzip", "deflate", "by its end")]

framed = pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.name)


def served(server_framing: Framing, *replies: bytes | None, found: bytes = NOT_FOUND) -> Any:
    """A script that answers so; a body that ends with the connection ends it."""
    framed_replies = [answer and server_framing(answer) for answer in replies]
    play = answering(*framed_replies, found=found)
    if server_framing.name != "by its end":
        return play

    async def once(connection: Any) -> None:
        connection.end_after_send = True
        await play(connection)

    return once
