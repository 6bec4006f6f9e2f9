"""Thousands of worlds: whatever happens, the map's invariants hold. A failing seed prints how to replay it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.amounts import how_many

from .world import World

WORLDS = how_many(2_000)
CHUNK = 50


def failures(seeds: range, directory: Path) -> list[str]:
    """What broke in which world, with the command that replays it."""
    told = []
    for seed in seeds:
        world = World(seed, directory).play()
        if world.faults:
            told.append(f"python -m tests.simulation.replay {seed}\n    {'; '.join(world.faults[:3])}")
    return told


@pytest.mark.parametrize("start", range(0, WORLDS, CHUNK))
def test_worlds(start: int, tmp_path: Path) -> None:
    """No world of this chunk loses a job, pays twice, or tells what is not so."""
    broken = failures(range(start, start + CHUNK), tmp_path)
    assert not broken, "\n".join(broken)


FOUND = {
    701: "a job that joined another in doubt made the client forget the doubt: paid twice",
    14: "what was replayed was written again without its core: the next writing of the list was refused",
    91: "the same, with another journal",
    201292: "the same, for what was looked up and stayed unknown",
    12142: "an id that never was met a 5xx: any task was adopted",
    11462: "two clients of one journal told one task for two jobs",
    10607: "the same, after a crash",
    12472: "a hook raised GeneratorExit: the run did not end",
}
"""Worlds that found bugs, and what it was."""


@pytest.mark.parametrize("seed", FOUND, ids=str)
def test_what_worlds_found(seed: int, tmp_path: Path) -> None:
    """They are well now."""
    broken = failures(range(seed, seed + 1), tmp_path)
    assert not broken, f"{FOUND[seed]}: {broken}"
