"""What lost replies cost: jobs that stay unknown and seconds until the last outcome, in virtual time.

`python -m benchmarks.lost_replies`: 1,000 jobs, 5 % of the replies lost, at the gateway model of `tests/simulation`.
"""

from __future__ import annotations

import asyncio
import sys
from random import Random

from attrs import frozen
from tests.simulation.model import GOOD_KEY, Gateway, ModelWire, Ways

from lipsync_async.config import Limits, Timeouts
from lipsync_async.gateways import CHAINHUB
from lipsync_async.outcomes import BatchResult
from tests.simulation.stand import SimClient, request
from tests.simulation.virtual import VirtualLoop

JOBS = 1000
SHARE = 0.05
SEEDS = range(5)
LOSSES = {
    "reset after it was made": "lost_after",
    "no answer until our time-out": "hang_after",
    "reset before it was made": "lost_before",
}
LOOKUPS = {"look-ups": "external", "no look-ups": "none"}


@frozen
class Figures:
    """Of one batch."""

    unknown: int
    lost: int
    paid_twice: int
    seconds: float


def measure(fault: str, lookups: str, seed: int) -> Figures:
    """One batch in virtual time."""
    gateway = Gateway(Ways(faults={fault: SHARE}, duplicates="accept", lookups=lookups), Random(seed))
    loop = VirtualLoop(gateway.now + 1)
    jobs = [request(number, f"job-{number:04}") for number in range(JOBS)]

    async def live() -> tuple[BatchResult, float]:
        begun = asyncio.get_running_loop().time()
        client = SimClient(
            CHAINHUB,
            api_key=GOOD_KEY,
            limits=Limits(initial_per_second=50.0),
            dice=Random(f"client-{seed}"),
            wire=lambda: ModelWire(gateway, Timeouts(), 0),
        )
        async with client:
            result = await client.submit_many(jobs)
        return result, asyncio.get_running_loop().time() - begun

    result, seconds = loop.run_to_end(live())
    return Figures(
        unknown=len(result.unknown),
        lost=sum(post.fault == fault for post in gateway.posts),
        paid_twice=sum(count > 1 for count in gateway.counts().values()),
        seconds=seconds,
    )


def main() -> int:
    """Prints a line for each way of losing replies and each gateway: means over the seeds."""
    for loss, fault in LOSSES.items():
        for gateway, lookups in LOOKUPS.items():
            told = [measure(fault, lookups, seed) for seed in SEEDS]
            print(
                f"{loss:30} {gateway:12} lost {sum(run.lost for run in told) / len(told):5.1f}"
                f"  unknown {sum(run.unknown for run in told) / len(told):5.1f}"
                f"  paid twice {sum(run.paid_twice for run in told)}"
                f"  last outcome after {max(run.seconds for run in told):6.1f} s"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
