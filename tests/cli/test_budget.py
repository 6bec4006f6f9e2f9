"""What videos and texts cost: held against the cap, given back where nothing was paid, and told in words."""

from __future__ import annotations

import pytest
from attrs import evolve

from lipsync_async import SpeechSource, VideoSource
from lipsync_async.cli.budget import Budget, SourceMoney
from lipsync_async.cli.tally import Tally, cost_of
from lipsync_async.dispatch.account import Event
from lipsync_async.outcomes import NotSent
from lipsync_async.sources.resolving import Kept
from lipsync_async.terms import Kind
from tests.makers import request

VIDEO, TEXT = VideoSource(video_id="86"), SpeechSource(text="Hello.", voice_id="v")


def event(action: str, source: str | None = "video", *, kind: str | None = None, units: float | None = None) -> Event:
    """What a client says of a call."""
    return Event(name="source", at=0.0, action=action, source=source, kind=kind, units=units)


def test_what_is_made_first_counts_against_the_cap() -> None:
    """Both sides of the edge, in steps that no binary fraction has."""
    budget = Budget(0.15)
    assert [budget.allow_source(it) for it in (VIDEO, TEXT, VIDEO)] == [None, None, None]
    assert "the next text costs 0.05" in str(budget.allow_source(TEXT))
    assert budget.spent == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (event("cleared"), 0.0),
        (event("refused", kind="invalid_request"), 0.0),
        (event("refused", kind=Kind.NO_FACE), 0.05),
        (event("unknown"), 0.05),
        (event("made", units=0.05), 0.05),
        (event("sent"), 0.05),
        (Event(name="outcome", at=0.0, action="cleared"), 0.05),
    ],
)
def test_what_was_surely_not_paid_is_given_back(told: Event, left: float) -> None:
    """A video without a face was looked through, and is paid."""
    budget = Budget(1.0)
    budget.allow_source(VIDEO)
    budget.hear(told)
    assert budget.spent == pytest.approx(left)


def test_a_completed_request_settles_what_it_was_handed_in_as() -> None:
    """The dispatcher asks for the one, the list knows the other."""
    handed_in = request(source=VIDEO, session_id="")
    completed = evolve(handed_in, session_id="86")
    object.__setattr__(completed, "made_from", handed_in)
    budget = Budget(1.0)
    assert budget.allow(completed) is None
    assert budget.allow(request("other", sound_end_time=10_000)) is not None
    budget.settle(handed_in, NotSent(external_task_id="job-1", kind=Kind.SERVER))
    assert budget.spent == 0.0
    assert budget.allow(request("other", sound_end_time=10_000)) is None


def test_the_account_in_words() -> None:
    """Calls, units as told or at list price, and what was cut off."""
    money = SourceMoney()
    assert str(money) == ""
    for one in (event("sent"), event("made", units=0.1), event("made", "text"), event("cleared"), event("unknown")):
        money.hear(one)
    assert str(money) == "2 videos identified and 1 text spoken for 0.2 units (1 call cut off, and charged perhaps)"
    kept = SourceMoney()
    kept.add("video", Kept(state="done", calls=3, cut_off=1, charged=0.05, told=1))
    kept.add("text", Kept(state="open", calls=1))
    assert str(kept) == "3 videos identified and 1 text spoken for 0.2 units (2 calls cut off, and charged perhaps)"


def test_it_stands_in_the_cost_line() -> None:
    """Alone where nothing was waited for."""
    tally = Tally()
    assert tally.cost() == ""
    tally.sources.hear(event("made", units=0.05))
    assert tally.cost() == "cost: 1 video identified for 0.05 units"
    assert cost_of(tally.money, SourceMoney()) == ""
