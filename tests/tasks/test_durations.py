"""Learned durations: quantiles of the last ends, by the length of the sound."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.tasks.durations import ENOUGH, KEPT, Durations, Sample

SECONDS = st.floats(0.0, 1e5)


@given(st.lists(SECONDS, max_size=3 * KEPT), st.floats(0.0, 1.0))
def test_quantiles_are_those_of_the_last_ends(figures: list[float], share: float) -> None:
    """Whatever came before is forgotten; too few are no quantile; memory is bounded."""
    sample = Sample()
    for figure in figures:
        sample.add(figure)
    last = sorted(figures[-KEPT:])
    assert len(sample) == len(last) <= KEPT
    found = sample.quantile(share)
    if len(last) < ENOUGH:
        assert found is None
        return
    assert found is not None
    assert last[0] <= found <= last[-1]
    # As many lie below as the share says, give or take one.
    assert sum(it < found - 1e-6 for it in last) <= share * (len(last) - 1) + 1
    assert sum(it <= found + 1e-6 for it in last) >= share * (len(last) - 1)


@given(st.lists(SECONDS, min_size=ENOUGH, max_size=KEPT))
def test_the_median_is_the_median(figures: list[float]) -> None:
    """As the standard library has it."""
    durations = Durations()
    for figure in figures:
        durations.ended(figure)
    assert durations.quantile(0.5) == pytest.approx(statistics.median(figures))


def test_long_sounds_are_counted_apart() -> None:
    """What is known of such a sound goes before what is known of all; before enough of them ended, all count."""
    durations = Durations()
    for _ in range(ENOUGH):
        durations.ended(60.0, 5.0)
    assert durations.quantile(0.5, 60.0) == 60.0
    for _ in range(ENOUGH):
        durations.ended(400.0, 60.0)
    assert durations.quantile(0.5, 60.0) == 400.0
    assert durations.quantile(0.5, 3.0) == 60.0
    assert durations.quantile(0.5) == 230.0
    assert durations.seen == 2 * ENOUGH


def test_a_clock_that_went_back_is_no_negative_duration() -> None:
    """It counts as nothing."""
    durations = Durations()
    for _ in range(ENOUGH):
        durations.ended(-5.0)
    assert durations.quantile(0.0) == 0.0
    assert repr(durations) == "<Durations of 8 tasks, median 0 s>"
    assert repr(Durations()) == "<Durations of 0 tasks, median not known>"


@given(st.lists(SECONDS, max_size=KEPT), st.floats(0.0, 1e5), st.floats(0.1, 1e4))
def test_the_rate_of_ends_counts_what_lasts_longer(figures: list[float], age: float, span: float) -> None:
    """None for too few, or where none was that old; never nothing, and at most all within the span."""
    durations = Durations()
    for figure in figures:
        durations.ended(figure)
    rate = durations.rate(age, span)
    above = sum(figure > age for figure in figures)
    if len(figures) < ENOUGH or not above:
        assert rate is None
    else:
        assert rate is not None
        assert 0.0 < rate * span <= 2.0 * above / max(1.0, above) + 0.25


def test_the_rate_is_that_of_tasks_with_such_a_sound() -> None:
    """Where enough of them were seen; else of all."""
    durations = Durations()
    for number in range(ENOUGH):
        durations.ended(10.0 + number, 3.0)
        durations.ended(100.0 + number, 30.0)
    assert durations.rate(50.0, 10.0, 3.0) is None
    assert durations.rate(50.0, 10.0, 30.0) is not None
    assert durations.rate(50.0, 10.0, 15.0) == durations.rate(50.0, 10.0)
