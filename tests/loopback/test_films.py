"""The numbered proofs of lists that name videos: kills, a day that passes, new signatures, and sessions that die."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lipsync_async import Limits, LipSyncClient, LipSyncRequest, RequestBuilder
from lipsync_async.dispatch.account import Event
from lipsync_async.outcomes import Outcome
from lipsync_async.sandbox import Sandbox
from tests.loopback.hurried import hurry
from tests.makers import wav

from .films import run

SOUNDS = [wav(seconds) for seconds in (2.5, 3.0, 4.0)]
FILMS = 12
JOBS = 400


@pytest.mark.parametrize("kills", [0, 4])
def test_a_list_of_videos_is_killed(tmp_path: Path, kills: int) -> None:
    """Undisturbed each video is identified once; each kill costs a call at most for each that it fell into.

    Every job is paid once, and has its video; `benchmarks/soak.py --mode films` is the longer run.
    """
    account, told = run(tmp_path, jobs=36, films=6, kills=kills, seed=7, per_second=60.0, task_seconds=(0.3, 1.0))
    assert account.faults == [], told
    if not kills:
        assert told == "6 videos identified by 6 calls, 0 cut off by kills; 4 texts spoken"


def jobs(signature: str) -> Iterator[LipSyncRequest]:
    """Four hundred jobs of twelve videos, each tenth of them a text; every URL signed anew."""
    for number in range(JOBS):
        url = f"https://films.example/{number % FILMS}.mp4?X-Amz-Signature={signature}{number}"
        start = RequestBuilder().video(url, face="longest").window(insert=10 * number)
        if number % 10:
            yield start.audio_bytes(SOUNDS[number % 3]).build()
        else:
            yield start.text(f"The sentence number {number % 7} is this one.", "voice").build()


def test_a_day_later_signed_anew_with_sessions_that_die(tmp_path: Path) -> None:
    """A run ends in its middle; a day later the same list goes on, and every session dies once more under it.

    No create is paid twice; each video is identified once a run and once a death, and never for what is paid already.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Sandbox(check_ids=True, clock=loop.time, latency=0.05, duplicates="accept") as sandbox:

            async def submit(signature: str, days: float, *, stop_at: int = 0, kill_at: int = 0) -> list[Outcome]:
                told = 0

                def hear(event: Event) -> None:
                    nonlocal told
                    if event.name != "outcome":
                        return
                    told += 1
                    if told == kill_at:
                        sandbox._state.sessions.kill(sandbox._state.clock())
                    if told == stop_at:
                        client.stop()

                limits = Limits(max_in_flight=16, initial_per_second=1000.0)
                client = LipSyncClient(sandbox.base_url, api_key=sandbox.api_key, observer=hear, limits=limits)
                async with client:
                    account = client._ready()
                    before = account.wall_clock
                    account.wall_clock = lambda: before() + days * 86_400.0
                    return list((await client.submit_many(jobs(signature), journal=tmp_path / "run.db")).values())

            first = await submit("a", 0.0, stop_at=150)
            paid = sandbox.ledger.tasks
            assert 150 <= paid < 300
            assert {it.name for it in first} == {"accepted", "not_sent"}
            assert set(sandbox.ledger.identified.values()) == {1}
            sandbox._state.sessions.kill(sandbox._state.clock())  # a day is over for the gateway as well

            second = await submit("b", 1.1, kill_at=paid + 50)
            assert {it.name for it in second} == {"accepted"}
            assert (sandbox.ledger.tasks, sandbox.ledger.duplicates) == (JOBS, {})
            assert set(sandbox.ledger.identified.values()) <= {1, 2, 3}  # 1: all its jobs were paid on the first day
            assert max(sandbox.ledger.identified.values()) == 3

            calls = len(sandbox.ledger.preparations)
            third = await submit("c", 9.0)
            assert {it.name for it in third} == {"accepted"}
            assert (sandbox.ledger.tasks, len(sandbox.ledger.preparations)) == (JOBS, calls)

    hurry(main())
