"""Two machines, as two network namespaces: the second is cut off from database and gateway in mid-run, and mended.

    sudo python benchmarks/two_networks.py --seeds 3

Both have the same list, and 4 % of replies are lost; duplicates are accepted and billed. Needs root and `ip`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from random import Random

from lipsync_async.journal import State, open_reader
from lipsync_async.sandbox import Sandbox, in_thread
from tests.machines.scene import LEASE, ROOT
from tests.postgres import Postgres

RESULTS = Path(__file__).parent / "results" / "two_networks.md"
SPACE, OUTER, INNER = "lipsync-b", "lipsync-o", "lipsync-i"
HERE, THERE = "10.201.77.1", "10.201.77.2"
CUT = 3 * LEASE


def ip(command: str, *, check: bool = True) -> None:
    """Runs `ip`."""
    subprocess.run(["ip", *command.split()], check=check, stderr=None if check else subprocess.DEVNULL)


def set_up() -> None:
    """A namespace, and a cable into it."""
    ip(f"netns add {SPACE}")
    ip(f"link add {OUTER} type veth peer name {INNER} netns {SPACE}")
    ip(f"addr add {HERE}/24 dev {OUTER}")
    ip(f"link set {OUTER} up")
    ip(f"-n {SPACE} addr add {THERE}/24 dev {INNER}")
    ip(f"-n {SPACE} link set {INNER} up")


def play(seed: int, jobs: int, postgres: Postgres) -> str:
    """A row of the table."""
    dice = Random(f"networks-{seed}")
    sandbox = Sandbox(
        host=HERE, faults={"lose_reply": 0.04}, duplicates="accept", latency=0.3, max_per_second=20.0, seed=seed
    )
    with in_thread(sandbox):
        url = f"postgresql://lipsync@{HERE}:{postgres.port}/postgres?lease={LEASE:g}&max_outage=60"
        machines = []
        for number, inside in enumerate(([], ["ip", "netns", "exec", SPACE])):
            command = [*inside, sys.executable, "-m", "tests.machines.worker"]
            command += [sandbox.base_url, url, str(jobs), str(1000 * seed + number)]
            machines.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        began = time.monotonic()
        for machine in machines:
            assert machine.stdout is not None
            machine.stdout.readline()
        time.sleep(dice.uniform(0.0, 8.0))
        ip(f"-n {SPACE} link set {INNER} down")
        time.sleep(CUT)
        ip(f"-n {SPACE} link set {INNER} up")
        told = [machine.communicate(timeout=180)[0].splitlines() for machine in machines]
        seconds = time.monotonic() - began
    with open_reader(f"{url}&gateway={sandbox.base_url}") as reader:
        booked = {record.external_task_id for record in reader.records_of([State.ACCEPTED])}
    made = {entry.external_task_id for entry in sandbox.ledger.entries}
    last = [json.loads(lines[-1]) if lines else {} for lines in told]
    return (
        f"| {seed} | {len(made)} | {len(sandbox.ledger.duplicates)} | {jobs - len(booked & made)} |"
        f" {last[0]} | {last[1]} | {seconds:.1f} |"
    )


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=300)
    args = parser.parse_args()
    set_up()
    try:
        with Postgres() as postgres, RESULTS.open("w", encoding="utf-8") as out:
            postgres.let_in(f"{HERE}/24")
            head = f"# Two network namespaces, one cut off for {CUT:g} s with a lease of {LEASE:g} s\n\n"
            head += f"{datetime.now(UTC).date()}, {args.jobs} jobs at 20/s\n\n"
            head += "| seed | paid | twice | lost | told here | told there | seconds |\n|---|---|---|---|---|---|---|"
            for line in chain([head], (play(seed, args.jobs, postgres) for seed in range(1, args.seeds + 1))):
                print(line, flush=True)
                out.write(line + "\n")
    finally:
        ip(f"netns del {SPACE}", check=False)
        ip(f"link del {OUTER}", check=False)


if __name__ == "__main__":
    main()
