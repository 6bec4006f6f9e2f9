"""The contract's section 5a as a table: what each answer to a query means for a task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.endings import FailureKind, Succeeded, TaskFailed
from lipsync_async.tasks.fates import ENDED, SIGNS, Absence, Sign, ending_of, judge_task, kind_of, state_of
from lipsync_async.terms import Failure, Kind, Phase, TaskStatus
from lipsync_async.wire import TaskReply, read_task
from tests.wire.helpers import QUERIES, SAMPLES, headers, sample, task

NATIVE = {"task_id": "A", "task_info": {"external_task_id": "job-1"}}
BY_WORD = {"submitted": Sign.RUNNING, "processing": Sign.RUNNING, "succeeded": Sign.SUCCEEDED, "failed": Sign.FAILED}


def native(status: str, message: str = "", **more: Any) -> TaskReply:
    """The platform's own answer; its envelope says SUCCEED whatever became of the task."""
    data = {**NATIVE, "task_status": status, "task_status_msg": message, **more}
    return task({"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})


@pytest.mark.parametrize("name", QUERIES)
def test_samples(name: str) -> None:
    """Every dialect's answer is a sign."""
    expect = SAMPLES[name]["expect"]
    wanted = Sign.MISSING if expect.get("class") == "not_found" else BY_WORD[expect["status"]]
    assert judge_task(read_task(*sample(name))) is wanted


def test_every_status_has_a_sign() -> None:
    """And only those that ended end a task."""
    assert set(SIGNS) == {*TaskStatus, None}
    assert {status for status, sign in SIGNS.items() if sign in ENDED} == {TaskStatus.SUCCEED, TaskStatus.FAILED}


@pytest.mark.parametrize(
    ("status", "body", "sign"),
    [
        (401, {"code": 1004, "message": "expired"}, Sign.KEY),
        (401, {"error": {"message": "无效的令牌"}}, Sign.KEY),
        (200, {"code": 1002, "message": "wrong key"}, Sign.KEY),
        (402, {"message": "pay"}, Sign.PAUSE),
        (403, {"code": "insufficient_user_quota", "message": "quota"}, Sign.PAUSE),
        (403, "<html>Forbidden</html>", Sign.PAUSE),
        (429, {"code": 1102, "message": "Account balance not enough"}, Sign.PAUSE),
        (429, {"code": 1304, "message": "IP not allowed"}, Sign.PAUSE),
        (429, {"code": 1302, "message": "too many requests"}, Sign.SLOWER),
        (429, {"code": 1303, "message": "parallel task over resource pack limit"}, Sign.SLOWER),
        (429, "", Sign.SLOWER),
        (500, {"code": 5000, "message": "server internal error"}, Sign.NOTHING),
        (502, "<html><title>Bad Gateway</title></html>", Sign.NOTHING),
        (503, {"message": "try later"}, Sign.NOTHING),
        (524, "", Sign.NOTHING),
        (400, {"code": "task_failed", "message": "?"}, Sign.NOTHING),
        (200, "<html>the start page</html>", Sign.NOTHING),
        (200, "", Sign.NOTHING),
        (404, {"detail": "Not Found"}, Sign.NOTHING),
        (404, {"error": {"message": "Invalid URL (GET /kling/v1)"}}, Sign.NOTHING),
        (404, {"code": 1203, "message": "task not exist"}, Sign.MISSING),
        (400, {"code": "task_not_exist", "message": "task_not_exist"}, Sign.MISSING),
    ],
)
def test_an_answer_without_a_task(status: int, body: Any, sign: Sign) -> None:
    """401, 402, 403, 429 and 5xx say nothing of the task; a framework's 404 neither."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert judge_task(read_task(status, headers(), raw)) is sign


def test_no_answer_says_nothing() -> None:
    """Whatever happened to the request."""
    for kind in (Kind.CONNECTION, Kind.TIMEOUT, Kind.PROTOCOL, Kind.CANCELLED):
        assert judge_task(Failure(kind=kind, phase=Phase.SENT)) is Sign.NOTHING


def test_a_gateway_that_ended_the_task_is_believed() -> None:
    """new-api: outer FAILURE, and the platform's part still says *processing*."""
    inner = {"code": 0, "data": {**NATIVE, "task_status": "processing"}}
    outer = {"task_id": "A", "status": "FAILURE", "fail_reason": "任务超时(1440分钟)", "data": inner}
    answer = task({"code": "success", "data": outer})
    assert judge_task(answer) is Sign.FAILED
    ending = ending_of(Sign.FAILED, state_of("A", answer))
    assert isinstance(ending, TaskFailed)
    assert ending.kind is FailureKind.GATEWAY


def test_another_jobs_task_says_nothing() -> None:
    """Where both ids are known."""
    assert judge_task(native("succeed"), "job-1") is Sign.SUCCEEDED
    assert judge_task(native("succeed"), "job-2") is Sign.NOTHING
    assert judge_task(native("succeed"), None) is Sign.SUCCEEDED
    assert judge_task(native("succeed", task_info={}), "job-2") is Sign.SUCCEEDED


def test_a_status_that_nobody_knows_is_running() -> None:
    """And told as it is spelt."""
    answer = native("rendering-audio")
    assert judge_task(answer) is Sign.RUNNING
    assert state_of("A", answer).raw_status == "rendering-audio"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("parallel task over resource pack limit", "capacity"),
        ("code: 1303", "capacity"),
        ("当前分组上游负载已饱和", "capacity"),
        ("任务超时(30分钟)", "gateway"),
        ("upstream returned error", "gateway"),
        ("upstream returned unrecognized message", "gateway"),
        ("server internal error", "gateway"),
        ("Failure to pass the risk control system", "content"),
        ("The audio contains sensitive words", "content"),
        ("内容违规", "content"),
        ("Task failed: the audio could not be matched to the face", "media"),
        ("no face detected", "media"),
        ("download sound_file failed", "media"),
        ("音频时长不足", "media"),
        ("surfaces", "unknown"),
        ("SUCCEED", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_why_a_task_failed(reason: str | None, kind: str) -> None:
    """By the words that were told for the task."""
    assert kind_of(reason) == kind


def test_the_envelopes_word_is_no_reason() -> None:
    """A task that failed still carries the top-level message SUCCEED."""
    told = ending_of(Sign.FAILED, state_of("A", native("failed", "no face in the video")))
    untold = ending_of(Sign.FAILED, state_of("A", native("failed")))
    assert isinstance(told, TaskFailed)
    assert isinstance(untold, TaskFailed)
    assert (told.reason, told.kind) == ("no face in the video", FailureKind.MEDIA)
    assert (untold.reason, untold.kind) == ("", FailureKind.UNKNOWN)


def test_a_success_has_its_video_and_its_price() -> None:
    """As the platform tells them; without a URL it is a success without a video."""
    videos = [{"id": "1", "url": "https://cdn.example/1.mp4", "duration": "7.041"}]
    told: dict[str, Any] = {"task_result": {"videos": videos}, "final_unit_deduction": "1", "updated_at": 1722769600000}
    ending = ending_of(Sign.SUCCEEDED, state_of("A", native("succeed", **told)))
    assert isinstance(ending, Succeeded)
    assert ending.video_url == "https://cdn.example/1.mp4"
    assert (ending.seconds, ending.units, ending.ended_at) == (7.041, "1", 1722769600.0)
    assert ending.external_task_id == "job-1"
    bare = ending_of(Sign.SUCCEEDED, state_of("A", native("succeed")))
    assert isinstance(bare, Succeeded)
    assert (bare.videos, bare.video_url, bare.seconds) == ((), None, None)


def test_a_task_is_lost_after_three_not_founds_over_the_settle_time() -> None:
    """Each beside a witness that is found."""
    it = Absence()
    heard = [it.heard(at, witness=True, settle_time=60.0) for at in (0.0, 20.0, 40.0, 60.0)]
    assert heard == [False, False, False, True]


def test_a_witness_that_is_not_found_takes_all_back() -> None:
    """The gateway finds nothing now."""
    it = Absence()
    for at in (0.0, 40.0):
        it.heard(at, witness=True, settle_time=60.0)
    assert not it.heard(80.0, witness=False, settle_time=60.0)
    assert not it.heard(90.0, witness=True, settle_time=60.0)
    assert it.count == 1


@given(st.lists(st.tuples(st.floats(0.0, 60.0), st.sampled_from([True, False, None])), max_size=20), st.floats(0, 120))
def test_no_task_is_lost_without_its_proof(story: list[tuple[float, bool | None]], settle: float) -> None:
    """At least three with a witness, none since that had none found, over the settle time."""
    it, now, counted = Absence(), 0.0, list[float]()
    for pause, witness in story:
        now += pause
        lost = it.heard(now, witness=witness, settle_time=settle)
        if witness:
            counted.append(now)
        elif witness is False:
            counted.clear()
        assert lost == bool(witness and len(counted) >= 3 and counted[-1] - counted[0] >= settle)
