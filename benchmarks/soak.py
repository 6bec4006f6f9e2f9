"""The longer run of the proofs: worlds in virtual time for some minutes, then real processes that are killed.

Worlds: every seed draws a gateway, a list, an interruption or three, and is checked against the map's invariants.
Kills: a batch against the sandbox, which loses 5 % of its replies, is killed (`kill -9`) at random instants and
resumed; then the sandbox's ledger and the journal are compared, job by job.
Connections: batches over the lean way to a gateway whose connections die at random; no outcome is lost, no connection
leaks, and its books agree with what was told (`--connections`, Linux).
Ends with 1 when anything broke; a world that broke is named by the command that replays it.

    python benchmarks/soak.py [--minutes 10] [--from-seed N] [--kills 50] [--jobs 2000] [--connections 10]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _dying
from tests.loopback import crashes
from tests.simulation.world import World


def soak_worlds(minutes: float, seed: int, directory: Path) -> int:
    """Plays worlds from `seed` on; how many broke."""
    began, cpu = time.monotonic(), time.process_time()
    played = broken = runs = posts = 0
    while time.monotonic() - began < 60 * minutes:
        world = World(seed + played, directory).play()
        played, runs, posts = played + 1, runs + len(world.reports), posts + len(world.gateway.posts)
        if world.faults:
            broken += 1
            print(f"python -m tests.simulation.replay {world.seed}\n    {'; '.join(world.faults[:3])}", flush=True)
        for path in directory.glob("*.db*"):
            path.unlink()
    speed = played / (time.process_time() - cpu) if played else 0.0
    print(
        f"worlds: {played} from seed {seed}, {runs} runs, {posts} creates, {broken} broken; "
        f"{speed:.0f} worlds a CPU second"
    )
    return broken


def soak_kills(kills: int, jobs: int, seed: int, mode: str) -> int:
    """One batch that is killed again and again; 1 when the books differ."""
    # so slow that the batch outlives its kills: each run lasts 0.25 s on the average after its first outcome
    per_second = max(20.0, jobs / (0.35 * kills)) if kills else 400.0
    with tempfile.TemporaryDirectory() as directory:
        account = crashes.run(Path(directory), jobs=jobs, kills=kills, seed=seed, mode=mode, per_second=per_second)
    print(f"kills ({mode}): {account}", flush=True)
    for name in ("missing", "doubled", "unbooked", "differing"):
        if found := getattr(account, name):
            print(f"    {name}: {found}")
    return int(not account.agrees)


def soak_connections(minutes: float, seed: int) -> int:
    """Batches over connections that die; 1 when the books differ or a connection leaked."""
    faults, played = asyncio.run(_dying.soak(minutes, seed))
    print(f"connections (seed {seed}): {played}; {len(faults)} faults", flush=True)
    for fault in faults[:20]:
        print(f"    {fault}")
    return int(bool(faults))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=None, help="minutes of worlds (10 if nothing is asked for)")
    parser.add_argument("--from-seed", type=int, default=None, help="the first seed (default: from the clock)")
    parser.add_argument("--kills", type=int, default=None, help="how often a real batch is killed (likewise 50)")
    parser.add_argument("--jobs", type=int, default=2_000, help="how many jobs that batch has")
    parser.add_argument("--mode", choices=("many", "stream"), default="many", help="submit_many or stream")
    parser.add_argument("--connections", type=float, default=0.0, help="minutes of connections that die (default 0)")
    given = parser.parse_args()
    seed = int(time.time()) if given.from_seed is None else given.from_seed
    all_of_it = given.minutes is None and given.kills is None and not given.connections
    minutes = 10.0 if all_of_it else given.minutes or 0.0
    kills = 50 if all_of_it else given.kills or 0
    broken = 0
    if minutes:
        with tempfile.TemporaryDirectory() as directory:
            broken += soak_worlds(minutes, seed, Path(directory))
    if kills:
        broken += soak_kills(kills, given.jobs, seed, given.mode)
    if given.connections:
        broken += soak_connections(given.connections, seed)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
