"""The dials are checked when they are made, and frozen."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import exceptions

from lipsync_async import Limits, RetryPolicy, Timeouts

WRONG: list[tuple[type, dict[str, Any]]] = [
    (Limits, {"max_in_flight": 0}),
    (Limits, {"max_in_flight": 1.5}),
    (Limits, {"max_per_second": 0}),
    (Limits, {"max_per_second": -1.0}),
    (Limits, {"max_running_tasks": 0}),
    (Limits, {"initial_per_second": 0}),
    (Limits, {"target_waste": 0}),
    (Limits, {"target_waste": 1}),
    (RetryPolicy, {"max_attempts": 0}),
    (RetryPolicy, {"max_attempts": 2.5}),
    (RetryPolicy, {"base_delay": 0}),
    (RetryPolicy, {"max_delay": -1}),
    (RetryPolicy, {"max_stall": 0}),
    (RetryPolicy, {"max_outage": 0}),
    (RetryPolicy, {"max_outage": math.nan}),
    (Timeouts, {"total": 0}),
    (Timeouts, {"connect": 0}),
    (Timeouts, {"grace": -0.1}),
    (Timeouts, {"submit_grace": -0.1}),
]
RIGHT: list[tuple[type, dict[str, Any]]] = [
    (Limits, {"max_in_flight": 1, "max_per_second": 0.01, "max_running_tasks": 1, "target_waste": 0.5}),
    (RetryPolicy, {"max_attempts": 1, "base_delay": 0.001, "max_stall": math.inf}),
    (Timeouts, {"total": 0.1, "connect": 0.1, "grace": 0, "submit_grace": 0.0}),
]


@pytest.mark.parametrize(("dial", "values"), WRONG)
def test_a_value_that_makes_no_sense_is_refused(dial: type, values: dict[str, Any]) -> None:
    """From the wrong side of its edge."""
    with pytest.raises((ValueError, TypeError)):
        dial(**values)


@pytest.mark.parametrize(("dial", "values"), RIGHT)
def test_a_value_at_its_edge_is_taken(dial: type, values: dict[str, Any]) -> None:
    """From the right side of it."""
    made = dial(**values)
    assert {name: getattr(made, name) for name in values} == values


@pytest.mark.parametrize("dial", [Limits, RetryPolicy, Timeouts])
def test_dials_are_frozen_and_equal_by_value(dial: type) -> None:
    """They can be shared, and told apart."""
    made = dial()
    assert made == dial()
    with pytest.raises(exceptions.FrozenInstanceError):
        made.total = 1
    with pytest.raises(TypeError):
        dial(5)
