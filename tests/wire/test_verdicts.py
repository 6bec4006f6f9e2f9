"""What each result means for a paid call, line by line with the contract's section 4: samples, codes, statuses."""

from __future__ import annotations

import json

import pytest
from multidict import CIMultiDict

from lipsync_async.gateways import CHAINHUB
from lipsync_async.terms import Action, Failure, Kind, Phase
from lipsync_async.wire import read_reply, read_task
from lipsync_async.wire.verdicts import Finding, judge, judge_query
from tests.wire.helpers import CREATES, QUERIES, SAMPLES
from tests.wire.judged import read, verdict, words

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


# --- the platform's codes -------------------------------------------------------------------------------------------


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


# --- statuses -------------------------------------------------------------------------------------------------------


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


# --- broken replies and failures ------------------------------------------------------------------------------------


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
