"""The longer run of the proofs: worlds in virtual time for some minutes, then real processes that are killed.

Worlds: every seed draws a gateway, a list, an interruption or three, and is checked against the map's invariants.
Kills: a batch against the sandbox, which loses 5 % of its replies, is killed (`kill -9`) at random instants and
resumed; then the sandbox's ledger and the journal are compared, job by job.
With `--mode wait` it is the command, which waits for the tasks, too; its result lines are compared as well.
Ends with 1 when anything broke; a world that broke is named by the command that replays it.

    python benchmarks/soak.py [--minutes 10] [--from-seed N] [--kills 50] [--jobs 2000] [--mode wait]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.loopback import crashes, waits
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


def soak_waits(kills: int, jobs: int, seed: int) -> int:
    """The same with the command, which waits for tasks; half of the kills fall after the last create."""
    with tempfile.TemporaryDirectory() as directory:
        account = waits.run(
            Path(directory),
            jobs=jobs,
            kills=kills,
            seed=seed,
            per_second=max(20.0, jobs / (0.2 * kills)),
            task_seconds=(kills * 0.4, kills * 1.2),
        )
    print(f"kills (wait): {account}", flush=True)
    return int(bool(account.faults))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=None, help="minutes of worlds (default 10; 0 with --kills)")
    parser.add_argument("--from-seed", type=int, default=None, help="the first seed (default: from the clock)")
    parser.add_argument("--kills", type=int, default=None, help="how often a real batch is killed (default 50)")
    parser.add_argument("--jobs", type=int, default=None, help="how many jobs it has (default 2000; 400 with wait)")
    parser.add_argument(
        "--mode", choices=("many", "stream", "wait"), default="many", help="submit_many, stream, or `submit --wait`"
    )
    given = parser.parse_args()
    seed = int(time.time()) if given.from_seed is None else given.from_seed
    minutes = given.minutes if given.minutes is not None else 10.0 if given.kills is None else 0.0
    kills = given.kills if given.kills is not None else 50 if given.minutes is None else 0
    broken = 0
    if minutes:
        with tempfile.TemporaryDirectory() as directory:
            broken += soak_worlds(minutes, seed, Path(directory))
    if kills:
        if given.mode == "wait":
            broken += soak_waits(kills, given.jobs or 400, seed)
        else:
            broken += soak_kills(kills, given.jobs or 2_000, seed, given.mode)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
