"""Plays one world again and tells its story: `python -m tests.simulation.replay SEED`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from .world import World


def main(arguments: list[str]) -> int:
    """Prints the world, what each run told, and what broke."""
    failed = 0
    for seed in map(int, arguments):
        with tempfile.TemporaryDirectory() as directory:
            world = World(seed, Path(directory)).play()
        failed += bool(world.faults)
        sys.stdout.write(world.story())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
