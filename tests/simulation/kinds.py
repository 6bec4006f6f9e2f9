"""Which kinds of trouble a world has, beyond lost replies: each is drawn by some share of the worlds."""

from __future__ import annotations

from random import Random

from .replies import FRAMEWORKS
from .ways import AFTER, BEFORE, NEVER, SLOW, SWAPPED, Ways

KINDS = (
    "cache", "route", "blind", "anything", "pages", "slow", "keys", "clocks", "swaps",
    "strangers", "corrected", "rewritten", "share", "odd_items", "giant",
)  # fmt: skip


def draw_kinds(dice: Random) -> frozenset[str]:
    """None for a third of the worlds, else one to four."""
    return frozenset(dice.sample(KINDS, dice.choice((0, 0, 1, 1, 2, 4))))


def draw_ways(dice: Random, kinds: frozenset[str], settle: float, hold: float) -> Ways:
    """How the gateway of such a world behaves."""
    dark = dice.uniform(0, 60) if dice.random() < 0.2 else 1e12
    ways = Ways(
        latency=dice.choice((0.0, 0.02, 0.3)),
        upload=dice.choice((0.0, 0.1)),
        rate=dice.choice((None, None, 3.0, 30.0)),
        burst=dice.choice((1.0, 5.0)),
        hints=dice.random() < 0.3,
        masked=dice.random() < 0.1,
        slots=dice.choice((None, None, None, 5, 30)),
        task_seconds=dice.choice(((2.0, 5.0), (20.0, 60.0))),
        duplicates=dice.choice(("refuse", "accept")),
        lookups=dice.choices(("external", "task_id", "none", "broken"), (6, 1, 1, 1))[0],
        lookup_faults=dice.choice((0.0, 0.0, 0.2)),
        lookup_latency=dice.choice((0.01, 0.5, 3.0)),
        store_delay=dice.choice((0.0, 0.0, settle * 0.3)),
        lists=dice.random() < 0.3,
        faults=_draw_faults(dice),
        late_by=settle * dice.uniform(0.05, 0.5),
        dark=(1000.0 + dark, 1000.0 + dark + dice.choice((5.0, 100.0, 1e12))),
        darkness=dice.choice(("502", "connect_refused", "hang_before", "lost_before")),
        key_dies_at=1000.0 + dice.uniform(0, 30) if dice.random() < 0.05 else 1e12,
        key_code=dice.choice((1000, 1002, 1004)),
        token_life=dice.choice((3.0, 30.0)),
        balance=dice.randint(0, 100) if dice.random() < 0.05 else 1e12,
        clock_error=dice.uniform(-200, 200),
    )
    if ways.masked and ways.slots is not None:
        ways.slots = None  # a hidden limit on slots is found by patience alone: see the proofs
    _add_kinds(ways, dice, kinds, hold)
    return ways


def _draw_faults(dice: Random) -> dict[str, float]:
    total = dice.choice((0.0, 0.02, 0.1, 0.4))
    names = dice.sample((*BEFORE, *AFTER), dice.randint(1, 6))
    return {name: total / len(names) for name in names}


def _add_kinds(ways: Ways, dice: Random, kinds: frozenset[str], hold: float) -> None:
    looked_up = kinds & {"cache", "route", "blind", "anything", "keys"}
    if looked_up and dice.random() < 0.8:  # where nothing is in doubt, nothing can go wrong
        ways.lookups, ways.lookup_faults = "external", dice.choice((0.0, 0.0, 0.2))
        ways.faults = {"lost_after": 0.1, "lost_before": 0.1, **dict.fromkeys(dice.sample(AFTER, 2), 0.03)}
        ways.duplicates = dice.choice(("refuse", "accept", "accept"))
        ways.lists = ways.lists and dice.random() < 0.3
        ways.dark = NEVER
    if "cache" in kinds:
        ways.cache_seconds, ways.cache_obeys = dice.choice((30.0, 180.0, 600.0)), dice.random() < 0.3
        ways.store_delay = dice.choice((0.0, ways.late_by / 2, ways.late_by))
    if "route" in kinds:
        gone = 1000.0 + dice.uniform(0, 60)
        ways.route_gone = gone, gone + dice.choice((5.0, 60.0, 600.0))
        ways.route_words = dice.choice(tuple(FRAMEWORKS))
    if "blind" in kinds:
        ways.blind = dice.choice((0.5, 0.25, 0.25, 0.1))
        ways.lists = False
    _add_creates(ways, dice, kinds, hold)
    if "anything" in kinds:
        ways.anything = dice.choice(("named", "bare"))
    if "pages" in kinds:
        ways.lists, ways.page_cap, ways.pages = True, 30, dice.choice(("steady", "shift", "stuck"))


def _add_creates(ways: Ways, dice: Random, kinds: frozenset[str], hold: float) -> None:
    if "slow" in kinds:
        ways.faults = {**ways.faults, SLOW: 0.1}
        ways.slow_by = 0.1 * hold, 0.95 * hold
    if "swaps" in kinds:
        ways.faults = {**ways.faults, SWAPPED: 0.1}
        ways.swap_named = dice.random() < 0.6
    if "share" in kinds:
        ways.faults, ways.rate, ways.dark = {"500_after": 0.95}, dice.choice((3.0, 30.0)), NEVER
        ways.lookups = dice.choice(("none", "broken", "external"))
    if "giant" in kinds:
        ways.giant = dice.choice((86_400.0, 1e7, 1e9))
