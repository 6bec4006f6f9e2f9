"""Bytes a second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.downloads.meter import STEP, WINDOW, Meter


def test_a_steady_stream() -> None:
    """Is told as it is, from its beginning and for as long as it lasts; after a pause nothing is left of it."""
    meter = Meter()
    assert meter.rate(0.0) == 0.0
    for tick in range(300):
        meter.add(tick / 10, 100)
    assert meter.total == 30_000
    assert meter.rate(29.9) == pytest.approx(1000, rel=0.06)
    assert meter.rate(50.0) == 0.0
    meter.add(60.0, 500)
    assert meter.rate(60.0) == 500 / STEP
    assert meter.rate(62.0) == 250


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 10**9)), min_size=1, max_size=100))
def test_it_is_small_and_never_wrong(steps: list[tuple[float, int]]) -> None:
    """No more steps than the window has, and never more than came."""
    meter, now = Meter(), 0.0
    for passed, count in steps:
        now += passed
        meter.add(now, count)
        assert 0 <= meter.rate(now) <= sum(it for _, it in steps) / STEP
        assert len(meter._steps) <= WINDOW / STEP + 1
    assert meter.total == sum(it for _, it in steps)
    assert meter.rate(now + WINDOW + STEP) == 0.0
