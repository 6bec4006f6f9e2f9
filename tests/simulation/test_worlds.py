"""Thousands of worlds: whatever happens, the map's invariants hold. A failing seed prints how to replay it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .world import World

WORLDS = 2_000
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
