"""A pacer that was frozen and thawed behaves as the one that was not."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing import Pacer, frozen
from lipsync_async.terms import Kind

PACKER = msgspec.msgpack
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["accepted", "refused", "ended", "completed", "close", "aside", "recall", "lift"]),
        st.floats(0.001, 40.0),
        st.sampled_from([None, Kind.RATE, Kind.CAPACITY]),
        st.sampled_from([None, 0.5, 3.0]),
    ),
    max_size=80,
)


def step(pacer: Pacer, now: float, what: str, kind: Kind | None, hint: float | None) -> list[float]:
    """What a pacer answers to one thing that happens."""
    wait = pacer.admit(now)
    if wait == 0.0 and what == "refused":
        pacer.refused(now + 0.1, now, kind, hint)
    elif wait == 0.0 and what == "accepted":
        pacer.accepted(now + 0.1, now)
    elif wait == 0.0:
        pacer.ended(now + 0.1, now)
    if what == "completed":
        pacer.completed(now, age=70.0 + (hint or 0.0), took=65.0)
    elif what == "close":
        pacer.close(now, hint or 1.0)
    elif what == "recall":
        pacer.recall(60.0, 80.0)
    elif what == "lift":
        pacer.lift(now)
    elif what == "aside" and pacer.admit_aside(now) == 0.0:
        pacer.ended_aside()
    return [wait, pacer.pace, float(pacer.in_flight), pacer.statistics().ceiling]


def again(pacer: Pacer, limits: Limits, dice: random.Random) -> Pacer:
    """The pacer after a journey through a store."""
    held: dict[str, Any] = PACKER.decode(PACKER.encode(pacer.snapshot()))
    return Pacer.restored(limits, held, dice=dice.random)


@given(STEPS, st.sampled_from([Limits(), Limits(max_per_second=5.0), Limits(max_running_tasks=3)]))
def test_a_pacer_that_is_frozen_at_every_step_behaves_as_one_that_is_not(
    steps: list[tuple[str, float, Kind | None, float | None]], limits: Limits
) -> None:
    """Whatever happens, and whatever was told."""
    dice, same_dice = random.Random(1), random.Random(1)
    pacer, kept, now = Pacer(limits, dice=dice.random), Pacer(limits, dice=same_dice.random), 100.0
    for what, pause, kind, hint in steps:
        now += pause
        kept = again(kept, limits, same_dice)
        assert step(kept, now, what, kind, hint) == step(pacer, now, what, kind, hint)
    assert PACKER.encode(kept.snapshot()) == PACKER.encode(pacer.snapshot())


def test_a_pacer_that_sees_ends_and_knows_a_ceiling_is_carried_whole() -> None:
    """All that is believed of running tasks goes along."""
    dice, same_dice = random.Random(1), random.Random(1)
    pacer, now = Pacer(Limits(), dice=dice.random), 0.0
    for number in range(400):
        now += 5.0
        step(pacer, now, "completed" if number % 2 else "accepted", None, None)
        if number % 15 == 14:
            step(pacer, now + 1.0, "refused", Kind.CAPACITY, None)
    assert pacer.statistics().ceiling < math.inf
    kept = again(pacer, Limits(), same_dice)
    for number in range(50):
        now += 3.0
        what = "refused" if number % 9 == 8 else "completed"
        assert step(kept, now, what, Kind.CAPACITY, None) == step(pacer, now, what, Kind.CAPACITY, None)


def test_every_attribute_of_every_part_is_carried() -> None:
    """But for the dice."""
    held = Pacer(Limits()).snapshot()
    parts = {name for name in Pacer.__slots__ if name.startswith("_") and name != "_most"}
    assert parts <= set(held)
    assert "_dice" not in held["_gate"]["is"]
    assert held["_rate"]["part"] == "rate.Rate"


def test_another_attribute_is_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a version with another pacer does not read this one's state."""
    before = frozen.layout(Pacer)
    monkeypatch.setattr(frozen._PARTS["gate.Gate"], "__slots__", ("something_new",))
    frozen.layout.cache_clear()
    changed = frozen.layout(Pacer)
    frozen.layout.cache_clear()
    assert changed != before
