"""How often and how long a download is tried."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lipsync_async.downloads.budget import AFTER_PROGRESS, WAITS, Budget, Patience


def middle() -> float:
    """Dice that change no wait."""
    return 0.5


def test_six_tries_in_a_row() -> None:
    """The waits between them grow, and the sixth failure is the last."""
    budget = Budget(0.0)
    assert [budget.after_failure(0.0, middle) for _ in range(6)] == [*WAITS, None]
    assert sum(WAITS) * 1.2 < Patience().without_progress


def test_progress_begins_it_anew() -> None:
    """One byte more than ever is progress; the same bytes again are none."""
    budget = Budget(0.0)
    for _ in range(5):
        assert budget.after_failure(0.0, middle) is not None
    budget.reached(1.0, 100)
    assert budget.after_failure(1.0, middle) == AFTER_PROGRESS
    for expected in WAITS:
        budget.reached(2.0, 100)  # a new try came as far, and no further
        assert budget.after_failure(2.0, middle) == expected
    assert budget.after_failure(2.0, middle) is None


@pytest.mark.parametrize(("now", "given_up"), [(118.9, False), (119.0, True)])
def test_two_minutes_without_progress(now: float, given_up: bool) -> None:
    """A try that would begin later is not begun."""
    assert (Budget(0.0).after_failure(now, middle) is None) == given_up


def test_a_hint_is_not_undercut() -> None:
    """One that is longer than what is left ends it at once."""
    assert Budget(0.0).after_failure(0.0, middle, hint=20.0) == 20.0
    assert Budget(0.0).after_failure(0.0, middle, hint=0.1) == WAITS[0]
    for hint in (120.0, float("inf"), float("nan")):
        found = Budget(0.0).after_failure(0.0, middle, hint=hint)
        assert found is None or found == WAITS[0]


def test_slow_storage_costs_no_patience() -> None:
    """Time in which nothing was read does not count."""
    budget = Budget(0.0)
    assert budget.left(100.0) == 20.0
    budget.held_up(50.0)
    assert budget.left(100.0) == 70.0


def test_an_hour_in_all() -> None:
    """Though a byte comes now and then."""
    budget = Budget(0.0)
    for now in range(0, 3600, 20):
        assert budget.left(now) > 0
        budget.reached(now, now + 1)
    assert budget.left(3600.0) == 0


@given(
    st.lists(st.tuples(st.floats(0, 40), st.integers(0, 5), st.sampled_from([None, 0.0, 5.0, 60.0])), max_size=80),
    st.floats(0, 1),
)
@example([(8.387364429492198, 1, 60.0), (0.0, 0, 60.0)], 0.0)  # a difference is rounded otherwise than a sum
def test_it_ends(steps: list[tuple[float, int, float | None]], dice: float) -> None:
    """Never more than six failures in a row without progress, nor a try after two minutes without any."""
    budget, now, furthest, last, row = Budget(0.0), 0.0, 0, 0.0, 0
    for passed, size, hint in steps:
        now += passed
        budget.reached(now, size)
        if size > furthest:
            furthest, last, row = size, now, -1
        wait = budget.after_failure(now, lambda: dice, hint)
        row += 1
        if wait is None:
            assert row >= 6 or now + max(1.2 * WAITS[-1], hint or 0) >= last + 119.999
            return
        assert row < 6
        assert wait >= max(0.4, hint or 0.0)
        now += wait
        assert now < last + 120
