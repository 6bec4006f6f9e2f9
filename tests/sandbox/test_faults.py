"""The dice of the faults."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.faults import AFTER_THE_TASK, BEFORE_THE_TASK, KNOWN_FAULTS, Faults


def test_the_fault_names() -> None:
    """Every fault is either before or after the task is created, and never both."""
    assert not set(BEFORE_THE_TASK) & set(AFTER_THE_TASK)
    assert len(KNOWN_FAULTS) == 12


def test_an_unknown_fault_is_told_with_the_known_ones() -> None:
    """A misspelt name raises, and the message names all that would be right."""
    with pytest.raises(ValueError, match=r"unknown fault lose_repy.*lose_reply.*slow"):
        Faults({"lose_repy": 0.1}, 0)


@pytest.mark.parametrize("chances", [{"hang": -0.1}, {"hang": 0.6, "slow": 0.5}])
def test_chances_lie_within_one(chances: dict[str, float]) -> None:
    """Negative chances, and more than 1 in all, are refused."""
    with pytest.raises(ValueError, match="within 0 and 1"):
        Faults(chances, 0)


@given(st.integers(), st.integers(1, 50))
def test_the_same_seed_throws_the_same_faults(seed: int, count: int) -> None:
    """Two sandboxes with one seed meet the same faults in the order of arrival."""
    chances = {"lose_reply": 0.3, "hang": 0.3}
    first, second = Faults(chances, seed), Faults(chances, seed)
    assert [first.draw() for _ in range(count)] == [second.draw() for _ in range(count)]


def test_shares_are_what_was_asked_for() -> None:
    """Over many creates each fault comes about as often as its chance says."""
    faults = Faults({"lose_reply": 0.2, "slow": 0.1}, 1)
    drawn = Counter(faults.draw() for _ in range(10_000))
    assert 1800 < drawn["lose_reply"] < 2200
    assert 850 < drawn["slow"] < 1150
    assert drawn.total() - drawn[None] == drawn["lose_reply"] + drawn["slow"]


@pytest.mark.parametrize("name", KNOWN_FAULTS)
def test_a_chance_of_one_is_certain(name: str) -> None:
    """A fault with the chance 1 meets every create."""
    faults = Faults({name: 1.0}, 3)
    assert {faults.draw() for _ in range(200)} == {name}


def test_faults_can_end() -> None:
    """Without chances nothing is drawn, and the dice go on as before."""
    faults = Faults({"hang": 1.0}, 0)
    faults.set(None)
    assert faults.draw() is None
