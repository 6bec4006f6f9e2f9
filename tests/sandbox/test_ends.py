"""The ends of tasks: what is told of each, in which words, and what is given back."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lipsync_async.sandbox import KNOWN_ENDS, Sandbox
from lipsync_async.sandbox.ends import ENDS, FAILURE, end_of

from .fetching import with_files
from .helpers import Caller, Clock, job, with_sandbox

TIMEOUTS = {"任务超时", "upstream returned error", "upstream returned unrecognized message"}


def test_the_dice_of_ends() -> None:
    """Each end as often as its chance says; `failed_share` is of what they leave."""
    chances = {"gateway": 0.2, "expired": 0.1}
    drawn = Counter(end_of(chances, 0.5, (n + 0.5) / 1000) for n in range(1000))
    assert drawn == {"gateway": 200, "expired": 100, "failed": 350, "succeed": 350}
    assert {end_of({"content": 1.0}, 0.02, n / 100) for n in range(100)} == {"content"}
    assert {end_of({}, 1.0, n / 100) for n in range(100)} == {"failed"}
    assert {end_of({}, 0.0, n / 100) for n in range(100)} == {"succeed"}


def test_the_ends_that_can_be_chosen() -> None:
    """All but the two that `failed_share` decides between, each with what it is."""
    assert set(KNOWN_ENDS) == set(ENDS) - {"succeed", "failed"}
    assert all(KNOWN_ENDS.values())


@pytest.mark.parametrize("ends", [{"lost": 1.0}, {"failed": 1.0}, {"gateway": 0.6, "expired": 0.6}, {"gateway": -1}])
def test_wrong_ends_are_told(ends: dict[str, float]) -> None:
    """At once, and when they are changed."""
    with pytest.raises(ValueError, match="end"):
        Sandbox(ends=ends)
    with pytest.raises(ValueError, match="end"):
        Sandbox().set_lives(ends=ends)


def told(ending: str, dialect: str) -> Any:
    """What a query says of a task that ended so."""
    seen: list[Any] = []

    async def test(caller: Caller) -> None:
        await caller.post(job("a"))
        seen.append((await caller.get("a"))[1])

    ledger = with_files(test, dialect=dialect, ends={} if ending == "succeed" else {ending: 1.0}).ledger
    assert ledger.endings == {ending: 1}
    return seen[0]


def test_the_gateway_gives_up_and_the_platform_goes_on() -> None:
    """Nested: FAILURE with a reason outside, processing inside, and no price."""
    outer = told("gateway", "nested")["data"]
    assert (outer["status"], outer["progress"]) == ("FAILURE", "100%")
    assert outer["fail_reason"] in TIMEOUTS
    assert outer["finish_time"] > 0
    inner = outer["data"]["data"]
    assert (inner["task_status"], inner["task_status_msg"]) == ("processing", "")
    assert not {"task_result", "final_unit_deduction"} & set(inner)


@pytest.mark.parametrize(
    ("dialect", "path", "status", "reason"),
    [
        ("native", "data", "task_status", "task_status_msg"),
        ("hybrid", "data", "task_status", "task_status_msg"),
        ("flat", "", "status", "fail_reason"),
        ("camel", "data", "state", "failMsg"),
        ("openai-video", "", "status", "error"),
    ],
)
def test_the_other_dialects_tell_it_in_one_place(dialect: str, path: str, status: str, reason: str) -> None:
    """Failed, with the gateway's reason."""
    body = told("gateway", dialect)
    data = body[path] if path else body
    assert data[status].lower() in ("failed", "failure")
    said = data[reason]["message"] if dialect == "openai-video" else data[reason]
    assert said in TIMEOUTS


def test_the_gateways_reasons_take_turns() -> None:
    """From task to task, so that a short run has seen all."""

    async def test(caller: Caller) -> None:
        for name in "abc":
            await caller.post(job(name))
        page = (await caller.get())[1]["data"]
        assert {it["task_status_msg"] for it in page} == TIMEOUTS

    with_files(test, ends={"gateway": 1.0})


@pytest.mark.parametrize("dialect", ["native", "openai-video", "nested", "hybrid", "flat", "camel"])
def test_expired_is_a_word_of_its_own(dialect: str) -> None:
    """In every dialect, as it is written there, with a reason and no URL."""
    body = told("expired", dialect)
    data = body["data"] if isinstance(body.get("data"), dict) else body
    word = data.get("task_status") or data.get("status") or data["state"]
    assert word == ("EXPIRED" if dialect in ("nested", "flat") else "expired")
    assert "http" not in str(body)
    assert "task expired" in str(body)


@pytest.mark.parametrize(
    ("ending", "status", "reason", "charged"),
    [
        ("content", "failed", "Failure to pass the risk control system", "0.5"),
        ("capacity", "failed", "parallel task over resource pack limit", "0"),
        ("expired", "expired", "task expired", "0"),
    ],
)
def test_what_a_native_query_tells(ending: str, status: str, reason: str, charged: str) -> None:
    """The status, the reason, and what was charged in the end."""
    data = told(ending, "native")["data"]
    assert (data["task_status"], data["task_status_msg"]) == (status, reason)
    assert data["final_unit_deduction"] == charged
    assert "task_result" not in data


def test_success_tells_what_it_cost() -> None:
    """In full."""
    assert told("succeed", "native")["data"]["final_unit_deduction"] == "0.5"


def test_refunds_come_when_the_task_ends() -> None:
    """The balance has them from that moment on, and the ledger too; a failed task is charged."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        ledger = caller.sandbox.ledger
        assert (await caller.post(job("a")))[0] == 200
        assert (await caller.post(job("b")))[0] == 429
        clock.now += 59.9
        assert (await caller.post(job("b")))[0] == 429
        assert (ledger.refunded, ledger.entries[0].refunded, ledger.entries[0].ending) == (0.0, 0.0, None)
        clock.now += 0.1
        assert (ledger.refunded, ledger.charged, ledger.units) == (0.5, 0.0, 0.5)
        caller.sandbox.set_lives(ends={}, failed_share=1.0)
        assert (await caller.post(job("b")))[0] == 200
        clock.now += 60
        assert (await caller.post(job("c")))[0] == 429

    ledger = with_sandbox(test, clock=clock, balance=0.9, ends={"gateway": 1.0}, task_seconds=(60, 60)).ledger
    assert [(it.ending, it.status, it.charged) for it in ledger.entries] == [
        ("gateway", "failed", 0.0),
        ("failed", "failed", 0.5),
    ]
    assert ledger.endings == {"gateway": 1, "failed": 1}
    assert "ended     failed: 1, gateway: 1 (0.5 units refunded)" in ledger.summary()


def test_lives_can_be_changed() -> None:
    """For tasks that come; what is not given stays; what cannot be is told and changes nothing."""

    async def test(caller: Caller) -> None:
        sandbox = caller.sandbox
        sandbox.set_lives(failed_share=1.0)
        with pytest.raises(ValueError, match="task_seconds"):
            sandbox.set_lives(task_seconds=(2, 1), failed_share=0.0)
        with pytest.raises(ValueError, match="failed_share"):
            sandbox.set_lives(failed_share=1.5)
        await caller.post(job("a"))
        data = (await caller.get("a"))[1]["data"]
        assert (data["task_status"], data["task_status_msg"]) == ("failed", FAILURE)
        sandbox.set_lives(task_seconds=(60, 60))
        await caller.post(job("b"))
        assert (await caller.get("b"))[1]["data"]["task_status"] == "submitted"

    with_files(test)
