"""How late a gateway tells an end: learned from what it tells, or from the bunches in which ends come."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.tasks.freshness import Freshness, fewest_moments

MOMENT = st.floats(0.0, 1000.0)


def learned(freshness: float, *, pause: float, told: bool, ends: int = 200, every: float = 3.0) -> float:
    """What is learned of a gateway whose statuses become visible on a grid, from looks with such a pause."""
    dice = Random(f"{freshness}-{pause}")
    it = Freshness()
    for number in range(ends):
        ended = 1000.0 + number * every
        shown = math.ceil(ended / freshness) * freshness if freshness else ended
        before = shown - dice.uniform(0.0, pause)
        if told:
            it.told(before, before + pause, ended)
        else:
            it.seen(before, before + pause)
    return it.seconds


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("freshness", "least", "most"), [(0.0, 0.0, 6.0), (15.0, 4.0, 15.0), (120.0, 80.0, 120.0)])
def test_freshness_is_learned(freshness: float, least: float, most: float, told: bool) -> None:
    """With looks 10 s apart; it is never said to be later than it is, but for the chance of a bunch."""
    assert least <= learned(freshness, pause=10.0, told=told) <= most


def test_a_fresh_gateway_is_never_late() -> None:
    """Where ends are told, a look that still said *running* was right."""
    assert learned(0.0, pause=60.0, told=True) == 0.0


def test_seldom_ends_are_no_bunches() -> None:
    """One end every five minutes says nothing of the gateway."""
    assert learned(0.0, pause=10.0, told=False, every=300.0) == 0.0


def test_nothing_is_known_at_first() -> None:
    """And what cannot be is not believed."""
    it = Freshness()
    assert it.seconds == 0.0
    for _ in range(20):
        it.told(before=90_000.0, seen=90_010.0, ended=10.0)  # a clock is a day wrong
        it.told(before=10.0, seen=20.0, ended=30.0)  # it ended after it was seen
        it.seen(10.0, 10.0)
    assert it.seconds == 0.0
    assert repr(it) == "<Freshness 0 s>"


@given(st.lists(st.tuples(MOMENT, MOMENT).map(sorted).filter(lambda span: span[0] < span[1]), max_size=40))
def test_the_moments_explain_every_span(spans: list[list[float]]) -> None:
    """Each span holds one, and as many spans as moments lie apart, so that fewer would not do."""
    pairs = [(begin, end) for begin, end in spans]
    moments = fewest_moments(pairs)
    assert all(any(begin < moment <= end for moment in moments) for begin, end in pairs)
    assert len(moments) == len(set(moments))
    apart: list[float] = []
    for begin, end in sorted(pairs, key=lambda span: span[1]):
        if not apart or apart[-1] <= begin:
            apart.append(end)
    assert len(apart) >= len(moments)
