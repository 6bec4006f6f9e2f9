"""Worlds of lists that begin at a video: sessions die, calls are cut off, days pass, and callbacks come in any order.

Whatever happens: a job is paid for once, however often its session or the signatures of its URLs changed; a video is
identified once, and once more for each call whose answer nobody saw and each session that died; what is paid for asks
for no session; no callback, true, forged or repeated, changes how a job ends, or brings more looks than the cap.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from lipsync_async import CHAINHUB, Following, LipSyncRequest, RequestBuilder, Result
from lipsync_async.callbacks import Callbacks
from lipsync_async.endings import Succeeded
from lipsync_async.journal import InlineJournal
from lipsync_async.outcomes import Rejected
from lipsync_async.sources import maker, resolving
from lipsync_async.sources.sourcebook import Sourcebook
from lipsync_async.tasks.planner import Planner
from lipsync_async.wire import identity
from tests.amounts import how_many
from tests.simulation.films import DAY, FACES, FilmGateway, video_of
from tests.simulation.stand import CrashingStore, GroupJournal, SimClient
from tests.simulation.test_resumed_worlds import quietly
from tests.simulation.virtual import Crash, VirtualLoop

WORLDS = int(os.environ.get("LIPSYNC_WORLDS") or how_many(80))
SEEDS = range(800)
"""Looked through for a planted bug, until the first that complains."""


class World:
    """One seed's gateway, journal and lives."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = Random(f"films-{seed}")
        films = [f"film-{number}" for number in range(dice.choice((1, 2, 5)))]
        shows = {film: dice.choice(("one", "one", "two", "none")) for film in films}
        self.gateway = FilmGateway(
            Random(f"gateway-{seed}"),
            shows,
            trouble=dice.choice((0.0, 0.05, 0.2)),
            lost=dice.choice((0.0, 0.1, 0.3)),
            as_task=dice.random() < 0.3,
        )
        self.jobs = [(number, dice.choice(films), dice.random() < 0.4) for number in range(dice.choice((1, 6, 20)))]
        self.store = CrashingStore(":memory:", gateway=CHAINHUB.base_url)
        self.in_groups = dice.random() < 0.5
        self.rate = dice.choice((0.5, 20.0))
        self.now = 1000.0
        self.life = 0
        self.faults: list[str] = []
        self.ids: dict[int, str] = {}
        """Of each job, as the gateway was told it."""

    def live(self) -> World:
        """Some lives that end in all kinds of ways, and two that go to their end."""
        for _ in range(self.dice.randint(0, 3)):
            self._live(calm=False)
        self.gateway.lost = 0.0
        for _ in range(2):
            self._check(self._live(calm=True))
        self.store.close()
        return self

    def _requests(self) -> Iterator[LipSyncRequest]:
        """The list, with every URL signed anew."""
        for number, film, spoken in self.jobs:
            url = f"https://films.example/{film}.mp4?X-Amz-Signature={self.life}x{number}"
            start = RequestBuilder().video(url, face="longest" if number % 2 else "first")
            if spoken:
                yield start.text(f"sentence {number % 3}", "voice").window(insert=10 * number).build()
            else:
                yield start.audio_id(f"given-{number}").window(0, 5000, 10 * number).build()

    def _live(self, *, calm: bool) -> list[Result]:
        self.life += 1
        self.store.dead = self.gateway.dead = False
        how = "to the end" if calm else self.dice.choice(("killed", "killed", "left", "stopped"))
        after = self.dice.uniform(0.0, 150.0) * self.dice.choice((0.02, 1.0))
        before = self.gateway.calls.copy()
        unpaid = {film for number, film, _ in self.jobs if self.ids.get(number) not in self.gateway.creates}
        loop = VirtualLoop(self.now)
        if how == "killed":
            loop.call_at(self.now + after, self._kill)
        for _ in range(0 if calm else self.dice.choice((0, 0, 1, 2))):
            loop.call_at(self.now + self.dice.uniform(0.0, 60.0), lambda: self.gateway.kill_sessions(loop.now))
        told: list[Result] = []
        ended = loop.run_until(self._run(how, after, told), self.now + 100_000.0)
        if not ended and not self.gateway.dead:
            self.faults.append(f"life {self.life} that was to be {how} has no end")
        self.faults += [str(it.get("exception") or it) for it in loop.complaints if not self.gateway.dead]
        for film in set(self.gateway.calls - before) & set(self.gateway.shows) - unpaid:
            self.faults.append(f"{film} was identified in life {self.life}, and all its jobs were paid for")
        self.now = loop.now + self.dice.choice((1.0, 100.0, DAY / 2, 2 * DAY))
        for session in self.gateway.sessions.values():
            self.gateway.deaths[session.film] += loop.now < session.dies <= self.now
        return told

    def _kill(self) -> None:
        self.store.dead = self.gateway.dead = True
        raise Crash

    async def _run(self, how: str, after: float, told: list[Result]) -> None:
        journal = GroupJournal(self.store, self.dice) if self.in_groups else InlineJournal(self.store)
        following = Following(max_queries_per_second=self.rate)
        client = SimClient(
            CHAINHUB, api_key="key", dice=self.dice, wire=lambda: self.gateway, trust_lookups=True,
            following=following,
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        looks = len(self.gateway.looks)
        async with client:
            noise = loop.create_task(self._call_back(client.callbacks(token="t")))
            requests = list(self._requests())
            stream = client.stream(requests, wait=True, journal=journal)
            reading = loop.create_task(self._read(stream, how, after, told))
            if how == "left":
                loop.call_later(after, reading.cancel)
            await asyncio.wait([reading])
            noise.cancel()
            if not reading.cancelled():
                reading.result()
            told.extend(stream.rest)
            for (number, _, _), request in zip(self.jobs, requests, strict=True):
                self._name(number, request)
        if isinstance(journal, GroupJournal):
            journal.commit()
        self._count(self.gateway.looks[looks:])

    async def _read(self, stream: Any, how: str, after: float, told: list[Result]) -> None:
        async with stream:
            if how == "stopped":
                asyncio.get_running_loop().call_later(after, stream.stop)
            async for result in stream:
                told.append(result)  # noqa: PERF401 - it may be cut short

    def _name(self, number: int, request: LipSyncRequest) -> None:
        name = identity.derive_id(request)
        if self.ids.setdefault(number, name) != name:
            self.faults.append(f"job {number} has another id in life {self.life}")

    async def _call_back(self, callbacks: Callbacks) -> None:
        """True ones, late, twice and out of order; forged ones; and noise."""
        while True:
            await asyncio.sleep(self.dice.uniform(0.05, 20.0))
            for _ in range(self.dice.choice((1, 3, 30))):
                callbacks.receive({"webhook-id": str(self.dice.randrange(200))}, self._callback())

    def _callback(self) -> bytes:
        if not self.gateway.tasks or self.dice.random() < 0.2:
            return self.dice.randbytes(20)
        name = self.dice.choice(list(self.gateway.tasks))
        status = self.dice.choice(("succeed", "failed", "processing"))
        told = {"task_id": f"task-{name}", "task_status": status, "task_status_msg": "forged"}
        told |= {"task_result": {"videos": [{"url": "https://forged.example/v.mp4"}]}}  # type: ignore[dict-item]
        return json.dumps(told).encode()

    # -- what must hold ---------------------------------------------------------------------------------------------

    def _count(self, looks: list[float]) -> None:
        """Any ten seconds have no more looks than the cap, and one."""
        for first, last in zip(looks, looks[int(10 * self.rate) + 1 :], strict=False):
            if last - first < 10.0 - 1e-6:
                self.faults.append(f"more than {self.rate} looks a second")
                return

    def _check(self, told: list[Result]) -> None:
        """After a life that went to its end."""
        gateway = self.gateway
        for name, count in gateway.creates.items():
            if count > 1:
                self.faults.append(f"{name} was paid for {count} times")
        results = {result.external_task_id: result for result in told}
        if len(told) != len(self.jobs) or set(results) != set(self.ids.values()):
            self.faults.append(f"{len(self.jobs)} jobs, and {sorted(map(str, results))} came out")
            return
        for number, film, _ in self.jobs:
            result = results[self.ids[number]]
            if not FACES[gateway.shows[film]]:
                good = isinstance(result, Rejected) and self.ids[number] not in gateway.creates
            else:
                good = isinstance(result, Succeeded) and result.video_url == video_of(self.ids[number])
            if not good:
                self.faults.append(f"job {number} of {film} ({gateway.shows[film]}) came out as {result}")
        self._check_calls()

    def _check_calls(self) -> None:
        gateway = self.gateway
        for name, count in gateway.calls.items():
            allowed = 1 + gateway.unseen_of(name, self.now) + gateway.deaths[name]
            if count > allowed:
                self.faults.append(f"{name}: {count} calls, {allowed} would have done")


def lived(seed: int) -> list[str]:
    """What a world complains of."""
    with quietly():
        return World(seed).live().faults


@pytest.mark.parametrize("seed", range(0, WORLDS, 10))
def test_worlds(seed: int) -> None:
    """Ten worlds each."""
    for one in range(seed, seed + 10):
        assert not (faults := lived(one)), (one, faults[:3])


# -- planted bugs: what the worlds must notice -------------------------------------------------------------------------


def forget_sessions(patch: pytest.MonkeyPatch) -> None:
    """A run does not read what the one before it wrote."""
    patch.setattr(Sourcebook, "recall", lambda book, key: book.at_hand(key))


def forget_a_cut_off_task(patch: pytest.MonkeyPatch) -> None:
    """A call that was answered with a task is made anew by the next run."""
    decide = resolving.decide

    def again(*given: Any, **named: Any) -> Any:
        found = decide(*given, **named)
        return resolving.Ask() if isinstance(found, resolving.Follow) else found

    patch.setattr(maker, "decide", again)


def name_jobs_by_their_session(patch: pytest.MonkeyPatch) -> None:
    """A URL that is signed anew is another job."""
    patch.setattr(identity, "without_signature", lambda url: url)


def believe_callbacks(patch: pytest.MonkeyPatch) -> None:
    """A callback brings a look whatever the cap says."""
    hint = Planner.hint

    def at_once(planner: Planner, task_id: str, now: float) -> bool:
        taken = hint(planner, task_id, now)
        planner._next_look = now
        return taken

    patch.setattr(Planner, "hint", at_once)


def keep_a_dead_session(patch: pytest.MonkeyPatch) -> None:
    """A session that a create was refused for is used again."""
    patch.setattr(maker.SourceMaker, "spoil", lambda *_: False)


PLANTS = (
    forget_sessions, forget_a_cut_off_task, name_jobs_by_their_session, believe_callbacks, keep_a_dead_session,
)  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.__name__ for plant in PLANTS])
def test_a_planted_bug_is_caught(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some world complains."""
    assert not any(lived(seed) for seed in range(3))
    plant(monkeypatch)
    assert any(map(lived, SEEDS))
