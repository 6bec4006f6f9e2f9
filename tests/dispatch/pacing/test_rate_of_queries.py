"""Queries count against a rate that was told, and against nothing that was learned."""

from __future__ import annotations

import pytest

from lipsync_async.dispatch.pacing.rate import Rate


def test_a_query_is_spaced_by_the_given_rate_alone() -> None:
    """What was learned of creates does not hold it up; and no create leaves within the given rate of it."""
    rate = Rate(8.0, 10.0, 0.02)
    rate.sent(0.0)
    rate.interval, rate.next_at = 50.0, 50.0
    assert rate.reserve(0.0) == pytest.approx(0.1, abs=0.002)
    assert rate.reserve(0.0) == pytest.approx(0.2, abs=0.002)
    assert rate.next_at == 50.0
    assert rate.reserve(49.99) == 0.0
    assert rate.next_at == pytest.approx(50.09)


def test_without_a_given_rate_a_query_waits_for_nothing() -> None:
    """A learned rate is no limit that anybody told."""
    rate = Rate(8.0, None, 0.02)
    rate.sent(0.0)
    assert rate.reserve(0.0) == 0.0
