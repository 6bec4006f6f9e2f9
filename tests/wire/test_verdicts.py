"""What each result means for a paid call, line by line with the contract's section 4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from multidict import CIMultiDict

from lipsync_async.gateways import CHAINHUB
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, Verdict
from lipsync_async.wire import read_reply, read_task
from lipsync_async.wire.verdicts import FAIL_REQUEST, GATEWAY_CODES, LOOK_UP_SERVER, Finding, judge, judge_query

SAMPLES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((Path(__file__).parents[1] / "wire-samples").glob("*.json"))
}
CREATES = [name for name, it in SAMPLES.items() if it["request"].endswith("POST /kling/v1/videos/advanced-lip-sync")]
QUERIES = [name for name, it in SAMPLES.items() if it["request"].endswith("advanced-lip-sync/{id}")]

CLASSES = {
    None: ("accept", None),
    "retry_rate": ("wait", "rate"),
    "retry_capacity": ("wait", "capacity"),
    "retry_capacity_unknown": ("wait", "capacity"),
    "ambiguous": ("look_up", "server"),
    "ambiguous_lookup_then_retry": ("look_up", "server"),
    "resolve_by_lookup": ("look_up", "duplicate_id"),
    "refresh_auth_once_then_stop_batch": ("refresh", "auth"),
    "stop_batch_after_n": ("stop", "configuration"),
}
BY_NAME = {
    "e03_429_1102_pack_exhausted": ("stop", "quota"),
    "e07_400_1201_bad_param": ("fail", "invalid_request"),
    "e09_400_1301_content_policy": ("fail", "content_policy"),
    "g07_403_newapi_quota_not_enough": ("stop", "quota"),
    "g10_401_newapi_invalid_token": ("stop", "auth"),
    "g13_404_newapi_route_missing": ("stop", "configuration"),
    "g14_200_html_spa_index": ("stop", "configuration"),
    "g17_413_nginx": ("fail", "too_large"),
    "g18_400_onehub_action_unsupported": ("stop", "configuration"),
}


def read(status: int, body: object = b"", **values: str) -> Reply:
    """A create's reply; `values` are headers, _ for -."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = CIMultiDict({name.replace("_", "-"): value for name, value in values.items()})
    return read_reply(status, headers, raw)


def verdict(status: int, body: object = b"", *, seen_reply: bool = True, **values: str) -> tuple[str, str | None]:
    """Action and kind, as words."""
    return words(judge(read(status, body, **values), CHAINHUB, seen_reply=seen_reply))


def words(it: Verdict) -> tuple[str, str | None]:
    """Action and kind, as words."""
    return it.action.value, it.kind and it.kind.value


@pytest.mark.parametrize("name", CREATES)
def test_samples(name: str) -> None:
    """Each sample of a create means what it is expected to mean."""
    it = SAMPLES[name]
    body = it.get("body_text", "").encode() if "body_text" in it else json.dumps(it["body"]).encode()
    reply = read_reply(it["status"], CIMultiDict(it["headers"]), body)
    expected = BY_NAME.get(name) or CLASSES[it["expect"].get("class")]
    assert words(judge(reply, CHAINHUB, seen_reply=False)) == expected


@pytest.mark.parametrize("name", QUERIES)
def test_query_samples(name: str) -> None:
    """Each sample of a query is a finding."""
    it = SAMPLES[name]
    task = read_task(it["status"], CIMultiDict(it["headers"]), json.dumps(it["body"]).encode())
    missing = it["expect"].get("class") == "not_found"
    assert judge_query(task) is (Finding.NOT_FOUND if missing else Finding.FOUND)


def test_a_failing_query_proves_nothing() -> None:
    """Server trouble says nothing of a task."""
    assert judge_query(read_task(503, CIMultiDict(), b"")) is Finding.PROVES_NOTHING


# --- the platform's codes -----------------------------------------------------------------------------------------

KLING = [
    (401, 1000, "stop", "auth"),
    (401, 1001, "stop", "auth"),
    (401, 1002, "stop", "auth"),
    (401, 1003, "refresh", "auth"),
    (401, 1004, "refresh", "auth"),
    (429, 1100, "stop", "quota"),
    (429, 1101, "stop", "quota"),
    (429, 1102, "stop", "quota"),
    (403, 1103, "stop", "permission"),
    (400, 1200, "fail", "invalid_request"),
    (400, 1201, "fail", "invalid_request"),
    (404, 1202, "stop", "configuration"),
    (404, 1203, "fail", "invalid_request"),
    (400, 1300, "fail", "content_policy"),
    (400, 1301, "fail", "content_policy"),
    (429, 1302, "wait", "rate"),
    (429, 1303, "wait", "capacity"),
    (429, 1304, "stop", "permission"),
    (500, 5000, "look_up", "server"),
    (503, 5001, "look_up", "server"),
    (504, 5002, "look_up", "server"),
    (500, 5999, "look_up", "server"),
]


@pytest.mark.parametrize(("status", "code", "action", "kind"), KLING)
def test_kling_codes(status: int, code: int, action: str, kind: str) -> None:
    """The contract's table, as the platform itself answers."""
    assert verdict(status, {"code": code, "message": "x", "request_id": "r"}) == (action, kind)


@pytest.mark.parametrize(("status", "code", "action", "kind"), KLING)
@pytest.mark.parametrize("outer", [200, 400, 403, 429, 500, 502])
def test_a_code_beats_the_status(status: int, code: int, action: str, kind: str, outer: int) -> None:
    """A gateway's status is not believed where the platform's code is at hand, buried or not."""
    inner = json.dumps({"code": code, "message": "x"})
    assert verdict(outer, {"code": code, "message": "x"}) == (action, kind)
    assert verdict(outer, {"code": "task_failed", "data": {"error": {"code": code}}}) == (action, kind)
    quoted = verdict(outer, {"code": "task_failed", "message": inner, "data": None})
    assert quoted == ((action, kind) if outer < 500 else ("look_up", "server"))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 524])
@pytest.mark.parametrize(
    "text",
    [
        "api request too fast",
        "code: 1201 bad",
        "code=1300",
        "Failure to pass the risk control system",
        "Account balance not enough",
        "parallel task over resource pack limit",
        "当前分组上游负载已饱和",
        "余额不足",
        '{"code": 1303, "message": "x"}',
        '{"code": "rate_limit_exceeded"}',
        "Server internal error",
    ],
)
def test_what_is_only_spoken_of_trouble_is_in_doubt(status: int, text: str) -> None:
    """On a 5xx a code or a reason in a text proves no refusal, be it said, quoted or plain."""
    bodies: list[object] = [{"message": text}, {"code": "task_failed", "message": text}, {"error": {"message": text}}]
    for body in [*bodies, {"code": 0, "data": f"upstream said: {text}"}, f"upstream said: {text}".encode()]:
        assert verdict(status, body) == ("look_up", "server")


@pytest.mark.parametrize("status", [500, 503])
def test_a_code_field_is_believed_of_trouble(status: int) -> None:
    """On a 5xx a code that stands in the reply's own JSON is believed."""
    assert verdict(status, {"code": 1303, "message": "code: 1201"}) == ("wait", "capacity")
    assert verdict(status, {"error": {"code": "1302"}}) == ("wait", "rate")


def test_named_reasons_to_wait_are_not_hidden() -> None:
    """A named rate or capacity overrides the pacer's inference."""
    for code in (1302, 1303):
        assert not judge(read(429, {"code": code}), CHAINHUB).hidden


# --- gateways' words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "action", "kind"),
    [
        (403, {"code": "quota_not_enough"}, "stop", "quota"),
        (403, {"code": "insufficient_user_quota"}, "stop", "quota"),
        (403, {"error": {"code": "pre_consume_token_quota_failed"}}, "stop", "quota"),
        (429, {"error": {"code": "insufficient_quota"}}, "stop", "quota"),
        (401, {"error": {"message": "该令牌额度已用尽 (request id: 1)", "code": ""}}, "stop", "quota"),
        (403, {"message": "用户额度不足, 剩余额度: 0"}, "stop", "quota"),
        (400, {"message": "余额不足"}, "stop", "quota"),
        (403, {"message": "user quota is not enough"}, "stop", "quota"),
        (503, {"error": {"code": "model_not_found"}}, "stop", "configuration"),
        (503, {"error": {"message": "分组 default 下无可用渠道", "code": ""}}, "stop", "configuration"),
        (500, {"code": "do_request_failed"}, "look_up", "server"),
        (400, {"code": "do_request_failed"}, "look_up", "server"),
        (500, {"code": "insert_task_failed"}, "look_up", "server"),
        (400, {"code": "insert_task_failed"}, "look_up", "server"),
        (500, {"code": "read_response_body_failed"}, "look_up", "server"),
        (400, {"code": "invalid_request", "message": "action is not supported"}, "stop", "configuration"),
        (400, {"code": "invalid_request", "message": "bad time"}, "fail", "invalid_request"),
        (400, {"code": "task_failed", "message": "bad time"}, "fail", "invalid_request"),
        (400, {"code": "task_failed", "message": "Server internal error"}, "look_up", "server"),
        (400, {"code": "sensitive_words_detected"}, "fail", "content_policy"),
        (400, {"code": "task_not_exist"}, "fail", "invalid_request"),
        (404, {"code": "task_not_found", "message": "x"}, "fail", "invalid_request"),
        (500, {"code": "fail_to_fetch_task", "message": "bad gateway"}, "look_up", "server"),
        (400, {"code": "fail_to_fetch_task", "message": "bad time"}, "fail", "invalid_request"),
        (200, {"code": "fail_to_fetch_task", "message": "当前分组上游负载已饱和"}, "look_up", "protocol"),
        (500, {"message": "余额不足"}, "look_up", "server"),
        (200, {"message": "余额不足"}, "look_up", "protocol"),
    ],
)
def test_gateway_words(status: int, body: object, action: str, kind: str) -> None:
    """What resellers' gateways say in their own words."""
    assert verdict(status, body) == (action, kind)


IN_DOUBT = [word for word, it in GATEWAY_CODES.items() if it == LOOK_UP_SERVER]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("word", IN_DOUBT)
@pytest.mark.parametrize(
    "rest",
    [
        {"data": {"code": 1302}},
        {"data": {"code": 1303, "message": "x"}},
        {"message": "code=1300"},
        {"message": '{"code":1201,"message":"bad face"}'},
        {"message": "Account balance not enough"},
        {"error": {"code": "quota_not_enough"}},
    ],
)
def test_a_word_of_doubt_beats_every_code(status: int, word: object, rest: dict[str, Any]) -> None:
    """What may have been made upstream stays in doubt, whatever else the reply says."""
    assert verdict(status, {"code": word, **rest}) == ("look_up", "server")
    assert read(status, {"code": word, **rest}).code == word


@pytest.mark.parametrize(
    "body",
    [
        {"code": 1302, "message": "insert_task_failed"},
        {"code": "task_failed", "data": {"code": 1302, "data": {"code": "insert_task_failed"}}},
        {"code": 1302, "message": '{"code":"insert_task_failed"}'},
        {"code": 1302, "message": '{"code":"insert_task_fai', "error": {"type": "Insert_Task_Failed"}},
        {"code": "do_request_failed", "message": '{"code":"insert_task_failed","message":"x"}'},
    ],
)
def test_a_word_of_doubt_is_found_in_every_layer(body: object) -> None:
    """The gravest word counts wherever it stands, for the look-up must know that nothing was stored."""
    assert verdict(400, body) == ("look_up", "server")
    assert read(400, body).code == "insert_task_failed"


@pytest.mark.parametrize("body", [b"insert_task_failed: disk full", b'[{"code":"do_request_failed"}]'])
@pytest.mark.parametrize("status", [400, 429])
def test_a_word_of_doubt_needs_no_object(status: int, body: bytes) -> None:
    """A plain text that says so is believed as well."""
    assert verdict(status, body) == ("look_up", "server")


def test_a_missing_channel_is_confirmed_three_times() -> None:
    """No channel: nothing was created, and one may come back."""
    assert judge(read(503, {"error": {"code": "model_not_found"}}), CHAINHUB).confirmations == 3
    assert judge(read(401), CHAINHUB).confirmations == 1


def test_a_gateways_own_table_comes_first() -> None:
    """A profile may know better what a code means."""
    quota = Verdict(Action.STOP, Kind.QUOTA)
    gateway = evolve(CHAINHUB, codes={1201: quota, "no_money": quota})
    assert judge(read(400, {"code": 1201}), gateway) is quota
    assert judge(read(400, {"code": "no_money"}), gateway) is quota
    assert words(judge(read(400, {"code": "other"}), gateway)) == ("fail", "invalid_request")


# --- the id exists ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "external_task_id is duplicated",
        "external_task_id already exists",
        "External_Task_ID has been used",
        "duplicate external_task_id: job-1",
        "the task exists",
        "external_task_id must be unique",
        "external_task_id 重复",
        "external_task_id 已存在",
        "任务已存在",
        "external_task_id conflict",
        "external_task_id repeat",
        "ID already exists",
        "duplicate external id",
        "external_id already used",
        "externalId already used",
        "the id is duplicated",
        "the id is in use (request id: 20260101)",
        "id must be unique",
        "external_task_id must not exist",
        "external_task_id already exists for this session_id",
        "duplicate identifier",
        "ID已存在",
        "该ID已经存在",
        "id 重复",
        "外部编号已被使用",
        "标识冲突",
        "请勿重复提交",
    ],
)
@pytest.mark.parametrize("body", [{"code": 1201}, {"code": 1200}, {"code": "invalid_request"}, {}])
def test_a_refusal_that_says_the_id_exists_is_looked_up(message: str, body: dict[str, Any]) -> None:
    """An id that exists is never a plain rejection: the task may be ours."""
    assert verdict(400, {**body, "message": message}) == ("look_up", "duplicate_id")


@pytest.mark.parametrize(
    "message",
    [
        "external_task_id is invalid",
        "task does not exist",
        "the task doesn't exist",
        "任务不存在",
        "session_id already expired",
        "duplicate face_id",
        "session does not exist",
        "face id does not exist",
        "audio_id not exist",
        "audio id doesn’t exist",
        "the id does not exist",
        "non-existent id",
        "no such id exists",
        "faceId already used",
        "audio_id conflicts with sound_file (request id: 20260101)",
        "人脸ID重复",
        "音频ID不存在",
        "session_id 已存在",
        "",
    ],
)
def test_other_bad_parameters_fail_the_job(message: str) -> None:
    """What is absent, or repeated elsewhere, is the job's own fault."""
    assert verdict(400, {"code": 1201, "message": message}) == ("fail", "invalid_request")


def test_an_id_that_exists_is_seen_in_a_gateways_own_table() -> None:
    """A profile's own verdict for a bad parameter is checked like the common one."""
    own = Verdict(Action.FAIL, Kind.INVALID_REQUEST)
    assert own is not FAIL_REQUEST
    gateway = evolve(CHAINHUB, codes={1201: own, "bad": own})
    for code in (1201, "bad"):
        it = judge(read(400, {"code": code, "message": "external_task_id exists"}), gateway)
        assert words(it) == ("look_up", "duplicate_id")


def test_conflict_is_looked_up() -> None:
    """409 says that the id exists, in whatever words."""
    for body in (b"", {"message": "conflict"}, b"<html>"):
        assert verdict(409, body) == ("look_up", "duplicate_id")


# --- statuses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "action", "kind"),
    [
        (0, "look_up", "protocol"),
        (101, "look_up", "protocol"),
        (199, "look_up", "protocol"),
        (300, "look_up", "protocol"),
        (301, "stop", "configuration"),
        (302, "look_up", "protocol"),
        (303, "look_up", "protocol"),
        (304, "look_up", "protocol"),
        (307, "stop", "configuration"),
        (308, "stop", "configuration"),
        (399, "look_up", "protocol"),
        (400, "fail", "invalid_request"),
        (401, "stop", "auth"),
        (402, "stop", "quota"),
        (403, "stop", "permission"),
        (404, "stop", "configuration"),
        (405, "stop", "configuration"),
        (406, "stop", "configuration"),
        (407, "stop", "configuration"),
        (408, "look_up", "timeout"),
        (409, "look_up", "duplicate_id"),
        (410, "stop", "configuration"),
        (411, "stop", "configuration"),
        (412, "fail", "invalid_request"),
        (413, "fail", "too_large"),
        (414, "stop", "configuration"),
        (415, "stop", "configuration"),
        (418, "fail", "invalid_request"),
        (421, "stop", "configuration"),
        (422, "fail", "invalid_request"),
        (424, "look_up", "server"),
        (425, "retry", "server"),
        (426, "stop", "configuration"),
        (429, "wait", "rate"),
        (431, "stop", "configuration"),
        (451, "fail", "content_policy"),
        (499, "look_up", "timeout"),
        (500, "look_up", "server"),
        (501, "stop", "configuration"),
        (502, "look_up", "server"),
        (503, "look_up", "server"),
        (504, "look_up", "server"),
        (505, "stop", "configuration"),
        (507, "look_up", "server"),
        (511, "stop", "configuration"),
        *((status, "look_up", "server") for status in (520, 521, 522, 523, 524, 525, 526, 527, 530, 599)),
        (600, "look_up", "protocol"),
        (999, "look_up", "protocol"),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html><title>x</title>", b'{"message":"x"}', b'{"code":"other"}', b"[", b"null"]
)
def test_statuses(status: int, action: str, kind: str, body: bytes) -> None:
    """Without a code that is known the status decides, whatever the body is."""
    assert verdict(status, body) == (action, kind)


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_is_not_sent_to_twice(status: int) -> None:
    """A call that belongs elsewhere stops the batch without another try."""
    assert judge(read(status), CHAINHUB).confirmations == 0


@pytest.mark.parametrize("hint", ["1", "3600"])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 524])
def test_a_hint_makes_no_trouble_sendable(status: int, hint: str) -> None:
    """A Retry-After on a 5xx moves the gate, the job stays in doubt."""
    assert verdict(status, b"", Retry_After=hint) == ("look_up", "server")


@pytest.mark.parametrize(
    "message", ["session not found", "face_id 7 does not exist", "audio expired", "Session expired"]
)
def test_a_404_about_the_job_fails_it(message: str) -> None:
    """A session that is gone is one job's fault, and no reason to stop the batch."""
    assert verdict(404, {"error": {"message": message}}) == ("fail", "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "Invalid URL (POST /kling/v1/videos/advanced-lip-sync)", "code": ""}},
        {"error": {"message": "Invalid URL (POST /facetime/v1/videos/advanced-lip-sync)", "code": ""}},
        {"detail": "Not Found"},
        b"404 page not found",
    ],
)
def test_a_missing_route_stops(body: object) -> None:
    """A route that is not there is nobody's job's fault."""
    assert verdict(404, body) == ("stop", "configuration")


def test_a_bad_url_of_a_sound_is_no_missing_route() -> None:
    """A 400 about a URL speaks of the job's."""
    assert verdict(400, {"code": 1201, "message": "Invalid URL"}) == ("fail", "invalid_request")
    assert verdict(400, {"message": "sound_file: invalid url"}) == ("fail", "invalid_request")


@pytest.mark.parametrize(
    ("body", "hint", "kind", "hidden"),
    [
        (b"", None, "rate", True),
        (b"", "2", "rate", False),
        (b"<html><title>429 Too Many Requests</title>", None, "rate", False),
        ({"error": {"code": "rate_limit_exceeded"}}, None, "rate", False),
        ({"message": "rate limit reached"}, None, "rate", False),
        ({"message": "请求过于频繁"}, None, "rate", False),
        ({"message": "too many concurrent tasks"}, None, "capacity", False),
        ({"message": "并发数已达上限"}, None, "capacity", False),
        ({"code": "fail_to_fetch_task", "message": "当前分组上游负载已饱和，请稍后再试"}, None, "capacity", True),
        ({"code": "fail_to_fetch_task", "message": "x"}, "5", "capacity", True),
        ({"message": "当前分组上游负载已饱和，请稍后再试"}, "5", "capacity", True),
        ({"message": "busy"}, None, "rate", True),
        ({"code": 1102}, "5", None, False),
    ],
)
def test_reasons_of_a_429(body: object, hint: str | None, kind: str | None, hidden: bool) -> None:
    """A 429 that gives a reason or a hint is taken at its word; one that gives none hides it."""
    it = judge(read(429, body, **({"Retry_After": hint} if hint else {})), CHAINHUB)
    expected = ("stop", "quota") if kind is None else ("wait", kind)
    assert (words(it), it.hidden) == (expected, hidden)


# --- shapes of success --------------------------------------------------------------------------------------------

TASK = {"code": 0, "data": {"task_id": "A"}}


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_success_with_a_task_is_accepted(status: int) -> None:
    """2xx, a success code and a task id: nothing else is needed."""
    assert verdict(status, TASK) == ("accept", None)


@pytest.mark.parametrize("rest", [b"<html>oops", b"\n-- \n", b'{"debug":true}', json.dumps(TASK).encode()])
def test_a_suspicious_success_is_still_one(rest: bytes) -> None:
    """What a gateway adds after it answered does not undo the task, where it says nothing else of it."""
    assert verdict(200, json.dumps(TASK).encode() + rest) == ("accept", None)


@pytest.mark.parametrize(
    "rest", [b'{"code":"insert_task_failed"}', b'{"code":1303}', b'{"code":0,"data":{"task_id":"B"}}', b'{"code":']
)
def test_a_success_that_is_taken_back_is_in_doubt(rest: bytes) -> None:
    """An object that says something else, or that can't be read, leaves open which of them is right."""
    assert verdict(200, json.dumps(TASK).encode() + rest) == ("look_up", "protocol")


@pytest.mark.parametrize("status", [199, 302, 400, 401, 429, 500, 503])
def test_a_task_beside_another_status_is_in_doubt(status: int) -> None:
    """A task id contradicts a refusal: it is looked up, and never sent again."""
    assert verdict(status, TASK) == ("look_up", "protocol")


@pytest.mark.parametrize("code", [1302, 1303, 1004, 1201, 5000, "x"])
@pytest.mark.parametrize("status", [200, 429, 400])
def test_a_task_beside_a_code_is_in_doubt(status: int, code: object) -> None:
    """A task id contradicts a code as well."""
    assert verdict(status, {"code": code, "data": {"task_id": "A"}}) == ("look_up", "protocol")


def test_a_duplicate_that_names_its_task_is_a_duplicate() -> None:
    """A refusal that names the task that has the id is about the id."""
    body = {"code": 1201, "message": "external_task_id exists", "data": {"task_id": "A"}}
    assert verdict(400, body) == ("look_up", "duplicate_id")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"{",
        b"[]",
        b"null",
        b'{"code":0}',
        b'{"code":0,"data":null}',
        b'{"code":0,"data":{"task_id":""}}',
        b'{"code":0,"data":{"task_id":8.6e17}}',
        b'{"code":0,"request_id":"r"}',
        b'{"code":"other","message":"x"}',
        b'{"code":77}',
        b'{"code":1999}',
        b'{"error":{"message":"x"},"id":"r"}',
        b'{"success":false,"id":"r"}',
    ],
)
@pytest.mark.parametrize("seen_reply", [True, False])
def test_a_2xx_without_a_task_is_in_doubt(body: bytes, seen_reply: bool) -> None:
    """A 2xx that names no task, or can't be read, may have made one."""
    assert verdict(200, body, seen_reply=seen_reply) == ("look_up", "protocol")


@pytest.mark.parametrize(
    ("status", "seen_reply", "expected"),
    [
        (200, False, ("stop", "configuration")),
        (200, True, ("look_up", "protocol")),
        (201, False, ("look_up", "protocol")),
    ],
)
def test_a_page_is_a_missing_route_only_at_first(status: int, seen_reply: bool, expected: tuple[str, str]) -> None:
    """A start page stands for a route that is not there, until a reply was read."""
    assert verdict(status, b"<!doctype html>", seen_reply=seen_reply) == expected


# --- whose reply it is --------------------------------------------------------------------------------------------


NAMED = {"task_id": "A", "task_info": {"external_task_id": "job-2"}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 0, "data": NAMED}),
        (200, {"code": 0, "data": {"task_id": "A", "external_task_id": "job-10"}}),
        (429, {"code": 1303, "data": {"task_info": {"external_task_id": "job-2"}}}),
        (400, {"code": 1201, "message": "external_task_id exists", "data": NAMED}),
        (401, {"code": 1000, "external_task_id": "job-2"}),
    ],
)
def test_a_reply_that_names_another_job_is_in_doubt(status: int, body: object) -> None:
    """Whatever it says was said to somebody else; without an id to compare with, it is taken for ours."""
    it = read(status, body)
    assert words(judge(it, CHAINHUB, external_task_id="job-1")) == ("look_up", "protocol")
    assert judge(it, CHAINHUB) == judge(it, CHAINHUB, external_task_id=it.external_task_id)


@pytest.mark.parametrize("data", [{}, {"task_info": {}}, {"task_info": {"external_task_id": "job-1"}}])
def test_a_reply_that_names_ours_or_none_is_ours(data: dict[str, Any]) -> None:
    """Some gateways leave `task_info` out."""
    it = read(200, {"code": 0, "data": {"task_id": "A", **data}})
    assert words(judge(it, CHAINHUB, external_task_id="job-1")) == ("accept", None)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"code": 1303, "message": json.dumps(TASK)}, "protocol"),
        (400, {"code": 1201, "message": json.dumps(TASK)}, "protocol"),
        (401, {"code": 1000, "upstream": TASK}, "protocol"),
        (400, {"code": 1201, "message": "external_task_id exists", "upstream": TASK}, "duplicate_id"),
        (400, {"code": "insert_task_failed", "upstream": TASK}, "server"),
        (400, json.dumps([TASK]).encode(), "protocol"),
    ],
)
def test_a_refusal_that_quotes_a_task_is_in_doubt(status: int, body: object, kind: str) -> None:
    """It was created after all; what is in doubt anyway keeps its reason."""
    assert verdict(status, body) == ("look_up", kind)


# --- how a stop is confirmed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "by"),
    [
        (200, b"<!doctype html>", "get"),
        (404, b"<html>", "get"),
        (404, {"detail": "Not Found"}, "get"),
        (404, b"404 page not found", "get"),
        (410, b"", "get"),
        (400, {"error": {"message": "Invalid URL (POST /kling/v1/videos/advanced-lip-sync)"}}, "get"),
        (404, {"code": 1202, "message": "wrong method"}, "create"),
        (405, b"", "create"),
        (401, b"", "create"),
        (503, {"error": {"code": "model_not_found"}}, "create"),
    ],
)
def test_a_missing_route_is_confirmed_by_a_get(status: int, body: object, by: str) -> None:
    """A page instead of a reply may hide a create that was acted upon; another refusal cannot."""
    it = judge(read(status, body), CHAINHUB, seen_reply=False)
    assert (it.action, it.confirm_by) == (Action.STOP, by)


# --- broken replies and failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "action", "kind"),
    [
        (200, "look_up", "protocol"),
        (302, "look_up", "protocol"),
        (400, "look_up", "protocol"),
        (401, "stop", "auth"),
        (402, "stop", "quota"),
        (403, "stop", "permission"),
        (404, "look_up", "protocol"),
        (409, "look_up", "protocol"),
        (413, "fail", "too_large"),
        (422, "look_up", "protocol"),
        (429, "wait", "rate"),
        (500, "look_up", "server"),
        (501, "look_up", "server"),
        (503, "look_up", "server"),
    ],
)
@pytest.mark.parametrize("body", [b"", b'{"code":0,"data":{"task_id":"A"}}', b'{"code":1303}'])
def test_broken_replies(status: int, action: str, kind: str, body: bytes) -> None:
    """Of a reply that did not arrive whole only a status that refuses for certain is believed."""
    reply = read_reply(status, CIMultiDict(), body, broken=True)
    assert words(judge(reply, CHAINHUB, seen_reply=False)) == (action, kind)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("kind", list(Kind))
def test_failures(phase: Phase, kind: Kind) -> None:
    """Before the last slice left nothing can have been acted upon; after it anything can."""
    it = judge(Failure(kind=kind, phase=phase), CHAINHUB)
    early = {Kind.CONFIGURATION: Action.STOP, Kind.VALIDATION: Action.FAIL}.get(kind, Action.RETRY)
    assert (it.action, it.kind) == (Action.LOOK_UP if phase >= Phase.SENT else early, kind)


def test_a_certificate_that_fails_stops_at_once() -> None:
    """There is nothing to confirm about an address that can't be right."""
    assert judge(Failure(kind=Kind.CONFIGURATION, phase=Phase.CONNECTING), CHAINHUB).confirmations == 0
