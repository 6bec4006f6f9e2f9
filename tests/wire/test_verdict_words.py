"""Gateways' own words for a refusal, and those that say that an id exists."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from lipsync_async.gateways import CHAINHUB
from lipsync_async.terms import Action, Kind, Verdict
from lipsync_async.wire.verdicts import FAIL_REQUEST, GATEWAY_CODES, LOOK_UP_SERVER, judge
from tests.wire.judged import read, verdict, words

# --- gateways' words ------------------------------------------------------------------------------------------------


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


# --- the id exists --------------------------------------------------------------------------------------------------


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
