"""The account: keys, rate and running tasks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.account import Keys, Purse, RunningTasks, TokenBucket

RATES = st.floats(0.1, 1000)
GAPS = st.lists(st.floats(0, 2), min_size=1, max_size=60)


@given(RATES, st.one_of(st.none(), st.floats(0, 50)), GAPS)
def test_never_more_than_burst_and_rate(rate: float, burst: float | None, gaps: list[float]) -> None:
    """Between any two moments no more pass than the burst and what the rate brought since."""
    bucket = TokenBucket(rate, burst, 0.0)
    now, passed = 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take(now) == 0:
            passed.append(now)
    for first, since in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= bucket.burst + rate * (passed[last] - since) + 1e-6


@given(RATES, GAPS)
def test_waiting_as_told_is_enough(rate: float, gaps: list[float]) -> None:
    """Whoever waits exactly as long as the bucket says is let through."""
    bucket = TokenBucket(rate, None, 0.0)
    now = 0.0
    for gap in gaps:
        now += gap
        wait = bucket.take(now)
        if wait:
            now += wait
            assert bucket.take(now) == 0


def test_burst_is_one_second_by_default() -> None:
    """A bucket of 5 a second lets 5 through at once, and one of 0.5 lets one through."""
    for rate, at_once in ((5, 5), (0.5, 1)):
        bucket = TokenBucket(rate, None, 0.0)
        assert [bucket.take(0.0) for _ in range(at_once)] == [0.0] * at_once
        assert bucket.take(0.0) == pytest.approx(1 / rate)


def test_a_clock_that_goes_back_brings_no_tokens() -> None:
    """Time that goes back neither fills the bucket nor breaks it."""
    bucket = TokenBucket(1, 1, 10.0)
    assert bucket.take(10.0) == 0
    assert bucket.take(5.0) == 1.0
    assert bucket.take(11.0) == 0


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_is_above_zero(rate: float) -> None:
    """A rate of nothing is refused, for it would be no limit that anyone can wait for."""
    with pytest.raises(ValueError, match="max_per_second"):
        TokenBucket(rate, None, 0.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 10)), max_size=40))
def test_running_tasks_are_those_that_did_not_end(steps: list[tuple[float, float]]) -> None:
    """The count is that of a plain list of ends, at every moment."""
    running, ends, now = RunningTasks(), [], 0.0
    for gap, life in steps:
        now += gap
        running.start(now + life)
        ends.append(now + life)
        left = [end for end in ends if end > now]
        assert running.count(now) == len(left)
        assert running.seconds_until_free(now) == (min(left) - now if left else 0.0)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", 1001),
        ("Bearer", 1002),
        ("Bearer ", 1002),
        ("Basic good", 1002),
        ("Bearer other", 1002),
        ("Bearer good", 0),
        ("bearer good ", 0),
    ],
)
def test_keys_judge_the_header(authorization: str, code: int) -> None:
    """A missing header is 1001, everything else that is no known bearer key 1002."""
    assert Keys("good").judge(authorization) == code


def test_a_revoked_key_keeps_its_code_until_it_is_added() -> None:
    """A key can expire, and be let in again."""
    keys = Keys("good")
    keys.revoke("good", 1004)
    assert keys.judge("Bearer good") == 1004
    keys.add("good")
    assert keys.judge("Bearer good") == 0


def test_a_purse_pays_and_gets_back() -> None:
    """What is refunded is there from its moment on, and once; without a balance there is always enough."""
    purse = Purse(2.0)
    purse.pay(1.5)
    purse.refund(1.5, 100.0)
    purse.refund(0.25, 50.0)
    assert [purse.left(now) for now in (0.0, 49.9, 50.0, 99.9, 100.0, 500.0)] == [0.5, 0.5, 0.75, 0.75, 2.25, 2.25]
    endless = Purse(None)
    endless.pay(1e9)
    endless.refund(1e9, 0.0)
    assert endless.left(1.0) == math.inf


def test_a_revoked_key_is_still_known() -> None:
    """So that it is recognised where it must not be."""
    keys = Keys("a")
    keys.add("b")
    keys.revoke("a", 1004)
    assert set(keys.known) == {"a", "b"}
