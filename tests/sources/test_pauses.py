"""The pauses: by the age of a task, doubled by trouble, and never shorter than a gateway asks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sources.pauses import FIRST, LONGEST, WIDEST, until_look, until_retry


def test_looks_follow_the_age() -> None:
    """Soon at first, then a quarter of the age, at most ten seconds."""
    assert [until_look(age) for age in (0.0, 4.0, 8.0, 40.0, 400.0)] == [1.0, 1.0, 2.0, 10.0, 10.0]


def test_trouble_doubles_a_pause() -> None:
    """Up to a minute, and a Retry-After is never undercut."""
    assert [until_look(0.0, trouble) for trouble in (0, 1, 2, 5, 6, 99)] == [1.0, 2.0, 4.0, 32.0, 60.0, 60.0]
    assert until_look(0.0, 1, 30.0) == 30.0
    assert until_look(0.0, 6, 30.0) == 60.0
    assert until_look(0.0, 0, 900.0) == 900.0


def test_a_call_that_was_refused_waits_longer_each_time() -> None:
    """From a second to a minute."""
    assert [until_retry(refusals) for refusals in (1, 2, 3, 7, 50)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert until_retry(1, 5.0) == 5.0


@given(st.floats(0, 1e6), st.integers(0, 1000), st.none() | st.floats(0, 1e5))
def test_a_pause_keeps_its_bounds(age: float, trouble: int, hint: float | None) -> None:
    """Never none at all."""
    pause = until_look(age, trouble, hint)
    assert FIRST <= pause <= max(LONGEST, hint or 0.0)
    assert pause >= (hint or 0.0)
    assert until_look(age) <= WIDEST
