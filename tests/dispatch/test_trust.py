"""What a not-found is worth at a gateway: the witnesses, and both sides of what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.dispatch.trust import YOUNG, Trust, Witness

SETTLE = 60.0
KEY, OTHER = b"key", b"other"


def told(at: float = 0.0, external_task_id: str = "job-0") -> Trust:
    """A job was accepted at that moment."""
    trust = Trust()
    trust.accepted(KEY, external_task_id, f"task-of-{external_task_id}", at)
    return trust


def heard(trust: Trust, now: float, *, found: bool) -> bool | None:
    """The witness was asked for."""
    witness = trust.witness(KEY, now, SETTLE)
    assert witness is not None
    return trust.heard(witness, now, SETTLE, found=found)


def test_nothing_is_trusted_at_first() -> None:
    """And nobody is there to be asked for."""
    trust = Trust()
    assert not trust.holds
    assert trust.witness(KEY, 0.0, SETTLE) is None
    assert repr(trust) == "<Trust not proven>"


def test_a_witness_that_is_found_gives_trust() -> None:
    """At any age."""
    trust = told()
    assert heard(trust, 0.1, found=True) is True
    assert trust.holds
    assert repr(trust) == "<Trust proven>"


@pytest.mark.parametrize(("age", "proves"), [(SETTLE - 0.1, None), (SETTLE, False)])
def test_a_witness_that_is_not_found_ends_the_trust_once_it_should_be(age: float, proves: bool | None) -> None:
    """Before the settle time is over it may not be stored yet, and proves nothing."""
    trust = told()
    trust.proven = True
    assert heard(trust, age, found=False) is proves
    assert trust.holds is (proves is None)
    assert repr(trust) == ("<Trust proven>" if proves is None else "<Trust ended>")


def test_trust_that_ended_does_not_come_back() -> None:
    """However often a witness is found after that."""
    trust = told()
    heard(trust, 100.0, found=False)
    assert heard(trust, 200.0, found=True) is True
    assert not trust.holds


def test_the_users_word_holds_whatever_is_found() -> None:
    """It replaces the witness."""
    trust = told()
    trust.told = True
    heard(trust, 100.0, found=False)
    assert trust.holds
    assert repr(trust) == "<Trust told>"


def test_a_key_has_witnesses_of_its_own() -> None:
    """Another account's prove nothing."""
    trust = told()
    assert trust.witness(OTHER, 100.0, SETTLE) is None
    trust.accepted(OTHER, "job-9", "task-9", 100.0)
    ours, theirs = (trust.witness(key, 200.0, SETTLE) for key in (KEY, OTHER))
    assert ours is not None
    assert theirs is not None
    assert (ours.external_task_id, theirs.external_task_id) == ("job-0", "job-9")


@pytest.mark.parametrize(("later", "name"), [(YOUNG, "job-0"), (YOUNG + 0.1, "job-1")])
def test_a_witness_is_replaced_after_an_hour(later: float, name: str) -> None:
    """A gateway keeps tasks for a while only; till then the first is kept."""
    trust = told()
    trust.accepted(KEY, "job-1", "task-1", later)
    witness = trust.witness(KEY, later + SETTLE, SETTLE)
    assert witness is not None
    assert witness.external_task_id == name


@pytest.mark.parametrize(("age", "name"), [(SETTLE - 0.1, "job-0"), (SETTLE, "job-1")])
def test_until_a_later_witness_can_be_found_the_earlier_one_is_asked_for(age: float, name: str) -> None:
    """It can surely be found."""
    trust = told()
    trust.accepted(KEY, "job-1", "task-1", 2 * YOUNG)
    witness = trust.witness(KEY, 2 * YOUNG + age, SETTLE)
    assert witness is not None
    assert witness.external_task_id == name


def test_an_earlier_runs_witness_is_old() -> None:
    """It should be found, and is asked for where this run's own is too young."""
    trust = Trust()
    trust.remember(KEY, "from the journal", "task-j")
    trust.remember(KEY, "another", "task-k")
    trust.accepted(KEY, "job-0", "task-0", 10.0)
    assert trust.witness(KEY, 11.0, SETTLE) == Witness("from the journal", "task-j", float("-inf"))
    assert heard(trust, 11.0, found=False) is False
    assert trust.ended


@given(
    st.lists(
        st.tuples(st.floats(0.0, 5000.0), st.sampled_from(["accepted", "remember", "found", "missing"])), max_size=40
    )
)
def test_trust_needs_a_witness_that_was_found_and_none_that_was_missing(story: list[tuple[float, str]]) -> None:
    """Whatever comes in whatever order: it holds only after a find, and never after a witness was missed in time."""
    trust, now, proven, ended = Trust(), 0.0, False, False
    for number, (passed, word) in enumerate(story):
        now += passed
        witness = trust.witness(KEY, now, SETTLE)
        if word == "accepted":
            trust.accepted(KEY, f"job-{number}", f"task-{number}", now)
        elif word == "remember":
            trust.remember(KEY, f"old-{number}", f"task-{number}")
        elif witness is not None:
            trust.heard(witness, now, SETTLE, found=word == "found")
            proven = proven or word == "found"
            ended = ended or (word == "missing" and now - witness.accepted_at >= SETTLE)
        assert trust.holds is (proven and not ended)
