"""The verdicts: total, and never careless with what may have been acted upon."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from lipsync_async.gateways import CHAINHUB
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, TaskStatus
from lipsync_async.wire import read_reply
from lipsync_async.wire.verdicts import KLING_CODES, judge
from tests.amounts import how_many

CODES = (
    st.none()
    | st.integers()
    | st.sampled_from(sorted(KLING_CODES))
    | st.integers(5000, 5999)
    | st.sampled_from(["do_request_failed", "insert_task_failed", "quota_not_enough", "model_not_found", "x"])
)
MESSAGES = st.text(max_size=20) | st.sampled_from(
    [
        "external_task_id exists",
        "余额不足",
        "无可用渠道",
        "当前分组上游负载已饱和",
        "too many requests",
        "action is not",
    ]
)
REPLIES = st.builds(
    Reply,
    status=st.integers(0, 999) | st.sampled_from([200, 400, 401, 404, 409, 429, 500, 502, 503]),
    code=CODES,
    success=st.booleans(),
    message=MESSAGES,
    task_id=st.none() | st.just("A"),
    task_status=st.none() | st.sampled_from(TaskStatus),
    retry_after=st.none() | st.floats(0, 1e6),
    parsed=st.booleans(),
    html=st.booleans(),
    suspicious=st.booleans(),
    conflicting=st.sampled_from([False, False, False, True]),
    external_task_id=st.sampled_from([None, None, "job-1", "job-2"]),
    broken=st.booleans(),
)
FAILURES = st.builds(Failure, kind=st.sampled_from(Kind), phase=st.sampled_from(Phase), message=MESSAGES)
SENDABLE = {Action.RETRY, Action.WAIT, Action.STOP, Action.REFRESH}
"""After these a job may be sent again, or comes out as not sent."""


@settings(max_examples=how_many(300))
@given(REPLIES | FAILURES, st.booleans())
def test_every_result_has_a_verdict(result: Reply | Failure, seen_reply: bool) -> None:
    """Whatever happened, there is an action, and a kind for all but success."""
    verdict = judge(result, CHAINHUB, seen_reply=seen_reply)
    assert (verdict.kind is None) is (verdict.action is Action.ACCEPT)
    assert not verdict.hidden or verdict.action is Action.WAIT


@given(REPLIES)
def test_only_a_task_is_accepted(reply: Reply) -> None:
    """Accepted means a whole 2xx reply with a success code and a task id, and no contradiction; nothing else does."""
    whole = not (reply.broken or reply.conflicting)
    proven = reply.success and reply.task_id is not None and 200 <= reply.status <= 299 and whole
    assert (judge(reply, CHAINHUB).action is Action.ACCEPT) is proven


@settings(max_examples=how_many(300))
@given(REPLIES, st.booleans())
def test_doubt_is_never_sent_again(reply: Reply, seen_reply: bool) -> None:
    """A task id, server trouble without a reason, or a 2xx without one leaves a job to be looked up."""
    action = judge(reply, CHAINHUB, seen_reply=seen_reply).action
    named = isinstance(reply.code, str) or (
        isinstance(reply.code, int) and reply.code in KLING_CODES and reply.code < 5000
    )
    page_at_first = reply.html and reply.status == 200 and not seen_reply
    doubtful = (
        ((reply.task_id is not None or reply.conflicting) and not reply.broken)
        or (
            500 <= reply.status <= 599
            and reply.status not in {501, 505, 511}
            and not (reply.status == 503 and "无可用渠道" in reply.message)
            and not (named and not reply.success)
        )
        or (200 <= reply.status <= 299 and not (named and not reply.success) and not page_at_first)
        or (isinstance(reply.code, int) and 5000 <= reply.code <= 5999 and not reply.success and not reply.broken)
    )
    assert not doubtful or action in {Action.LOOK_UP, Action.ACCEPT}


@given(REPLIES, st.sampled_from(["job-1", "job-2", "job-3"]), st.booleans())
def test_what_names_another_job_is_looked_up(reply: Reply, external_task_id: str, seen_reply: bool) -> None:
    """Whatever it says; and an id of its own, or none, changes no verdict."""
    plain = judge(reply, CHAINHUB, seen_reply=seen_reply)
    ours = judge(reply, CHAINHUB, seen_reply=seen_reply, external_task_id=external_task_id)
    if reply.broken or reply.external_task_id in {None, external_task_id}:
        assert ours == plain
    else:
        assert (ours.action, ours.kind) == (Action.LOOK_UP, Kind.PROTOCOL)


REFUSALS = st.sampled_from(
    [(429, {"code": 1303}), (429, {"code": 1302}), (400, {"code": 1201, "message": "bad face"}), (401, {"code": 1000})]
)
SHAPES = st.sampled_from(["message", "upstream", "error", "data"])
TASK_IDS = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True).filter(lambda it: it.lower() not in {"null", "none"})


@given(REFUSALS, SHAPES, TASK_IDS, st.text(max_size=30), st.integers(0, 2))
def test_a_refusal_that_quotes_a_success_is_looked_up(
    refusal: tuple[int, dict[str, object]], where: str, task_id: str, around: str, quoted: int
) -> None:
    """Wherever it stands, as JSON or as a text inside texts, with whatever around it."""
    status, said = refusal
    success: object = {"code": 0, "message": "SUCCEED", "data": {"task_id": task_id}}
    for _ in range(quoted):
        success = around.replace("{", "") + json.dumps(success)
    body = json.dumps({**said, where: success}).encode()
    assert judge(read_reply(status, CIMultiDict(), body), CHAINHUB).action is Action.LOOK_UP


@given(REFUSALS, st.text(max_size=30), st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_a_refusal_that_names_our_own_id_is_a_refusal(
    refusal: tuple[int, dict[str, object]], around: str, external_task_id: str
) -> None:
    """The id of the job is no task's."""
    status, said = refusal
    body = json.dumps({**said, "request": {"external_task_id": external_task_id}, "hint": around}).encode()
    reply = read_reply(status, CIMultiDict(), body)
    assert judge(reply, CHAINHUB) == judge(read_reply(status, CIMultiDict(), json.dumps(said).encode()), CHAINHUB)


@given(REPLIES.filter(lambda it: it.broken))
def test_a_broken_reply_refuses_by_its_status_alone(reply: Reply) -> None:
    """What did not arrive whole is believed in five statuses only."""
    action = judge(reply, CHAINHUB, seen_reply=False).action
    assert (action is Action.LOOK_UP) is (reply.status not in {401, 402, 403, 413, 429})


@given(FAILURES)
def test_nothing_is_sent_again_after_the_last_slice(failure: Failure) -> None:
    """A request whose last slice left is looked up; before it, it is never in doubt."""
    action = judge(failure, CHAINHUB).action
    assert (action is Action.LOOK_UP) is (failure.phase >= Phase.SENT)


@given(st.sampled_from([500, 502, 503, 504, 520, 524]), st.text(max_size=50), st.integers(0, 99))
def test_server_trouble_of_any_shape_is_looked_up(status: int, text: str, hint: int) -> None:
    """Page, text or JSON, with or without a hint: a 5xx that names no reason is in doubt."""
    headers = CIMultiDict({"Retry-After": str(hint)})
    for body in (text.encode(), b"<html>" + text.encode(), json.dumps({"x": text}).encode()):
        assert judge(read_reply(status, headers, body), CHAINHUB).action is Action.LOOK_UP


SPOKEN = st.sampled_from(sorted(KLING_CODES)).flatmap(
    lambda code: st.sampled_from([f"code: {code}", f"code={code}", f'{{"code":{code}}}', f'{{"code":"{code}'])
) | st.sampled_from(["api request too fast", "Account balance not enough", "Failure to pass the risk control system"])


@given(st.sampled_from([500, 502, 503, 504, 520, 524]), SPOKEN, st.text(max_size=20))
def test_a_spoken_code_never_takes_trouble_back(status: int, spoken: str, around: str) -> None:
    """Whatever a 5xx says in a text, it is in doubt."""
    body = json.dumps({"code": "task_failed", "message": around + spoken, "data": spoken}).encode()
    assert judge(read_reply(status, CIMultiDict(), body), CHAINHUB).action is Action.LOOK_UP


@given(st.integers(200, 599), CODES, st.sampled_from(["insert_task_failed", "do_request_failed"]), st.booleans())
def test_a_word_of_doubt_is_never_taken_back(status: int, code: object, word: str, inside: bool) -> None:
    """Created or perhaps created upstream: no code beside it makes the job sendable or its fault."""
    outer, inner = (code, word) if inside else (word, code)
    body = json.dumps({"code": outer, "message": f"code: {code}", "data": {"code": inner}}).encode()
    assert judge(read_reply(status, CIMultiDict(), body), CHAINHUB).action is Action.LOOK_UP
