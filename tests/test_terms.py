"""The vocabularies are closed, ordered where order means something, and frozen."""

from __future__ import annotations

import pickle

import pytest

from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, TaskStatus, Verdict


def test_the_kinds_are_those_of_the_issue() -> None:
    """Programs branch on these words: none is added or lost unnoticed."""
    words = (
        "validation invalid_request content_policy too_large duplicate_id already_exists auth quota permission "
        "configuration rate capacity connection timeout server protocol storage cancelled no_face"
    )
    assert [kind.value for kind in Kind] == words.split()
    assert f"{Kind.RATE}" == "rate"


def test_phases_are_ordered_and_sent_is_where_doubt_begins() -> None:
    """From `SENT` on a request may have been acted upon."""
    assert list(Phase) == sorted(Phase)
    assert [phase.name for phase in Phase if phase >= Phase.SENT] == ["SENT", "ANSWERED"]


def test_statuses_are_the_platforms_own_words() -> None:
    """As the contract spells them."""
    assert [status.value for status in TaskStatus] == ["submitted", "processing", "succeed", "failed"]


def test_values_are_frozen_and_equal_by_value() -> None:
    """And survive pickling."""
    values = (
        Reply(status=200, code=0, success=True),
        Failure(kind=Kind.TIMEOUT, phase=Phase.SENT),
        Verdict(Action.WAIT, Kind.RATE),
    )
    for value in values:
        assert pickle.loads(pickle.dumps(value)) == value
        with pytest.raises(AttributeError):
            value.kind = Kind.AUTH  # type: ignore[union-attr, misc]


def test_a_verdict_is_plain_unless_told_otherwise() -> None:
    """A stop is confirmed once, and nothing is hidden."""
    assert Verdict(Action.ACCEPT) == Verdict(Action.ACCEPT, None, hidden=False, confirmations=1, confirm_by="create")
