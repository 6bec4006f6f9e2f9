"""The backoff: cap first, then jitter, and a hint is never undercut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.config import RetryPolicy
from lipsync_async.dispatch.retry import next_delay

POLICY = RetryPolicy(max_attempts=5, base_delay=0.5, max_delay=3.0)
DICE = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("attempt", "cap"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0)])
def test_the_cap_doubles_and_is_cut(attempt: int, cap: float) -> None:
    """The cap doubles with each attempt until `max_delay`; the jitter takes a share of it."""
    assert next_delay(POLICY, attempt, None, lambda: 1.0) == cap
    assert next_delay(POLICY, attempt, None, lambda: 0.25) == cap / 4
    assert next_delay(POLICY, attempt, None, lambda: 0.0) == 0.0


@pytest.mark.parametrize(("attempt", "gives_up"), [(1, False), (4, False), (5, True), (6, True)])
def test_attempts_have_an_end(attempt: int, gives_up: bool) -> None:
    """The last attempt is followed by none."""
    assert (next_delay(POLICY, attempt, 1.0, lambda: 0.5) is None) is gives_up


def test_a_single_attempt_is_never_repeated() -> None:
    """`max_attempts=1` never tries again."""
    assert next_delay(RetryPolicy(max_attempts=1), 1, None, lambda: 0.5) is None


@pytest.mark.parametrize(("hint", "delay"), [(None, 0.25), (0.0, 0.25), (0.2, 0.25), (0.3, 0.3), (1000.0, 1000.0)])
def test_a_hint_is_a_floor(hint: float | None, delay: float) -> None:
    """A Retry-After may exceed the cap, and a short one shortens nothing."""
    assert next_delay(POLICY, 1, hint, lambda: 0.5) == delay


@given(
    attempt=st.integers(1, 10**9),
    base=st.floats(1e-6, 1e6),
    longest=st.floats(1e-6, 1e6),
    hint=st.none() | st.floats(0, 1e9),
    dice=DICE,
)
def test_a_delay_is_within_its_bounds(
    attempt: int, base: float, longest: float, hint: float | None, dice: float
) -> None:
    """However long it goes on, no delay undercuts its hint, and without one none exceeds `max_delay`."""
    policy = RetryPolicy(max_attempts=attempt + 1, base_delay=base, max_delay=longest)
    delay = next_delay(policy, attempt, hint, lambda: dice)
    assert delay is not None
    assert (hint or 0.0) <= delay <= max(longest, hint or 0.0)


@given(attempt=st.integers(1, 200), dice=DICE)
def test_later_attempts_wait_no_less(attempt: int, dice: float) -> None:
    """With the same throw of the dice a later attempt waits as long or longer."""
    policy = RetryPolicy(max_attempts=1000)
    delays = [next_delay(policy, it, None, lambda: dice) or 0.0 for it in (attempt, attempt + 1)]
    assert delays == sorted(delays)
