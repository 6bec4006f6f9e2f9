"""The longer run of the proofs: worlds in virtual time, then real processes that are killed or signalled.

Worlds: every seed draws a gateway, a list, an interruption or three, and is checked against the map's invariants.
Kills: a batch against the sandbox, which loses 5 % of its replies, is killed (`kill -9`) at random instants and
resumed; then the sandbox's ledger and the journal are compared, job by job.
With `--mode wait` or `--mode download` it is the command, which waits for the tasks, and fetches their videos; its
result lines, and the files, are compared as well; with `--mode films` the list names videos and texts, and what was
identified and spoken is compared with the calls that the kills fell into.
Connections: batches over the lean way to a gateway whose connections die at random; no outcome is lost, no connection
leaks, and its books agree with what was told (Linux).
Signals: `lipsync-async submit` gets SIGINT, SIGTERM, SIGHUP or SIGKILL at random instants, some of them twice, and is
run again by the same command; the ledger, the journal and the result lines are compared, job by job, and each run has
to end within eight seconds of its signal.
Ends with 1 when anything broke; a world that broke is named by the command that replays it.

    python benchmarks/soak.py [--minutes 10] [--from-seed N] [--kills 50] [--jobs 2000] [--signals 10]
                               [--connections 10] [--mode wait]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add
from pathlib import Path
from random import Random

if __name__ == "__main__":  # run as a script: the repository is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import _dying
from tests.loopback import crashes, films, signalled, waits
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


_LANES = 3
"""Batches at once: one that waits until absence is proven leaves the machine to the others."""
_RUNS = 30
"""How often a batch is signalled."""


def soak_signals(minutes: float, jobs: int, seed: int) -> int:
    """Batches that are signalled again and again; 1 when the books differ or a run ended too late."""
    signalled.hear_all()
    until = time.monotonic() + 60 * minutes

    def play(lane: int) -> signalled.Account:
        account = signalled.Account()
        dice = Random(f"signals-{seed}-{lane}")
        while time.monotonic() < until:
            with tempfile.TemporaryDirectory() as directory:
                # so slow that the batch outlives its signals: two seconds of sending a run on the average
                batch = signalled.Batch(Path(directory), dice, jobs, per_second=max(10.0, jobs / (2.0 * _RUNS)))
                batch.play(account, _RUNS, until)
            print(f"  lane {lane}: {account}", *account.wrong()[-5:], sep="\n      ", flush=True)
        return account

    with ThreadPoolExecutor(_LANES) as lanes:
        account = reduce(add, lanes.map(play, range(_LANES)))
    print(f"signals: {account}", flush=True)
    for found in account.wrong()[:50]:
        print(f"    {found}")
    return int(not account.agrees)


def soak_waits(kills: int, jobs: int, seed: int, *, download: bool = False) -> int:
    """The same with the command, which waits for tasks; half of the kills fall after the last create."""
    with tempfile.TemporaryDirectory() as directory:
        account = waits.run(
            Path(directory),
            jobs=jobs,
            kills=kills,
            seed=seed,
            per_second=max(20.0, jobs / (0.2 * kills)),
            task_seconds=(kills * 0.4, kills * 1.2),
            download=download,
        )
    print(f"kills ({'download' if download else 'wait'}): {account}", flush=True)
    return int(bool(account.faults))


def soak_films(kills: int, jobs: int, seed: int) -> int:
    """The same with a list of twelve videos, local sounds and texts, and with every URL signed anew for each run."""
    with tempfile.TemporaryDirectory() as directory:
        account, told = films.run(
            Path(directory),
            jobs=jobs,
            films=12,
            kills=kills,
            seed=seed,
            per_second=50.0,
            task_seconds=(2.0, 6.0),
        )
    print(f"kills (films): {account}\n    {told}", flush=True)
    return int(bool(account.faults))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = "of %s (default %d; 0 where another kind is asked for)"
    parser.add_argument("--minutes", type=float, default=None, help=f"minutes {text % ('worlds', 10)}")
    parser.add_argument("--from-seed", type=int, default=None, help="the first seed (default: from the clock)")
    parser.add_argument("--kills", type=int, default=None, help="how often a real batch is killed (default 50)")
    parser.add_argument("--signals", type=float, default=None, help=f"minutes {text % ('signals', 10)}")
    parser.add_argument("--jobs", type=int, default=None, help="how many jobs a batch has (2000; 400 with tasks)")
    modes = ("many", "stream", "wait", "download", "films")
    parser.add_argument("--mode", choices=modes, default="many", help="submit_many, stream, or the command")
    parser.add_argument("--connections", type=float, default=None, help="minutes of connections that die (default 0)")
    given = parser.parse_args()
    seed = int(time.time()) if given.from_seed is None else given.from_seed
    kinds = (given.minutes, given.kills, given.signals, given.connections)
    if all(kind is None for kind in kinds):
        given.minutes, given.kills, given.signals = 10.0, 50, 10.0
    broken = 0
    if given.minutes:
        with tempfile.TemporaryDirectory() as directory:
            broken += soak_worlds(given.minutes, seed, Path(directory))
    if given.kills and given.mode == "films":
        broken += soak_films(given.kills, given.jobs or 400, seed)
    elif given.kills and given.mode in {"wait", "download"}:
        broken += soak_waits(given.kills, given.jobs or 400, seed, download=given.mode == "download")
    elif given.kills:
        broken += soak_kills(given.kills, given.jobs or 2_000, seed, given.mode)
    if given.signals:
        broken += soak_signals(given.signals, given.jobs or 2_000, seed)
    if given.connections:
        broken += soak_connections(given.connections, seed)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
