"""What the journal, the look-up and the brake are there to show, in virtual time and in round numbers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from attrs import evolve

from lipsync_async.config import Limits, RetryPolicy, RunOptions, Timeouts
from lipsync_async.dispatch.brake import ROW
from lipsync_async.dispatch.streaming import Progress
from lipsync_async.gateways import CHAINHUB
from lipsync_async.journal import InlineJournal, Store
from lipsync_async.models import LipSyncRequest
from lipsync_async.outcomes import Accepted, BatchResult, NotSent, Outcome, Unknown
from lipsync_async.terms import Kind

from .gateway import Gateway
from .line import ModelWire
from .replies import GOOD_KEY
from .stand import SimClient, request
from .virtual import VirtualLoop
from .ways import Ways

TIMEOUTS = Timeouts(total=20.0, connect=5.0)
JOBS = [request(number, f"job-{number:04}") for number in range(200)]


def client_of(gateway: Gateway, run: int = 0, **options: Any) -> SimClient:
    """A client of a modelled gateway."""
    timeouts = options.setdefault("timeouts", TIMEOUTS)
    options.setdefault("api_key", GOOD_KEY)
    options.setdefault("limits", Limits(initial_per_second=50.0))
    profile = evolve(CHAINHUB, lists_tasks=gateway.ways.lists)
    return SimClient(profile, dice=Random(f"client-{run}"), wire=lambda: ModelWire(gateway, timeouts, run), **options)


def submit_all(gateway: Gateway, run: int = 0, store: Store | None = None, **options: Any) -> BatchResult:
    """One run of the 200 jobs."""

    async def live() -> BatchResult:
        async with client_of(gateway, run, **options) as client:
            return await client.submit_many(JOBS, journal=None if store is None else InlineJournal(store))

    return VirtualLoop(gateway.now + 1).run_to_end(live())


@pytest.fixture
def store() -> Iterator[Store]:
    """A journal's store in memory, for all runs of a test."""
    with Store(":memory:", gateway=CHAINHUB.base_url) as made:
        yield made


@pytest.mark.parametrize("duplicates", ["refuse", "accept"])
@pytest.mark.parametrize("seed", range(5))
def test_lost_replies_are_found(seed: int, duplicates: str) -> None:
    """200 jobs, 5 % of the replies lost, look-ups answered: 200 accepted, and 200 tasks at the gateway."""
    gateway = Gateway(Ways(faults={"lost_after": 0.05}, duplicates=duplicates), Random(seed))
    result = submit_all(gateway)
    assert len(result.accepted) == 200
    assert set(gateway.counts().values()) == {1}
    lost = sum(post.fault == "lost_after" for post in gateway.posts)
    assert result.statistics().recovered == lost > 0


@pytest.mark.parametrize("lookups", ["task_id", "none", "broken"])
@pytest.mark.parametrize("seed", range(3))
def test_lost_replies_that_nobody_finds_stay_unknown(seed: int, lookups: str) -> None:
    """The same without look-ups: no job is sent twice, the lost ones are unknown, none is rejected."""
    gateway = Gateway(Ways(faults={"lost_after": 0.05}, duplicates="accept", lookups=lookups), Random(seed))
    result = submit_all(gateway)
    lost = {post.external_task_id for post in gateway.posts if post.fault == "lost_after"}
    assert set(result.unknown) == lost
    assert len(result.accepted) == 200 - len(lost)
    assert set(gateway.counts().values()) == {1}


def test_the_task_list_finds_what_the_query_does_not() -> None:
    """Where the profile has a task list, a gateway that knows tasks by their own id alone is asked for it."""
    ways = Ways(faults={"lost_after": 0.05}, duplicates="accept", lookups="task_id", lists=True)
    result = submit_all(Gateway(ways, Random(1)))
    assert len(result.accepted) == 200


@pytest.mark.parametrize("code", [1000, 1002])
def test_a_key_that_dies_and_a_run_that_ends_the_batch(code: int, store: Store) -> None:
    """What a dead key left is not sent; the next run with a good one sends just that, and all is accepted."""
    gateway = Gateway(Ways(key_dies_at=1001.7, key_code=code), Random(7))
    first = submit_all(gateway, 0, store)
    assert {kind.kind for kind in first.not_sent.values()} == {Kind.AUTH}
    assert 0 < len(first.accepted) < 200
    assert len(first.accepted) + len(first.not_sent) == 200

    gateway.ways.key_dies_at = 1e12
    gateway.good_keys = {"renewed"}
    second = submit_all(gateway, 1, store, api_key="renewed")
    assert len(second.accepted) == 200
    sent = {post.external_task_id for post in gateway.posts if post.run == 1}
    assert sent == set(first.not_sent)
    assert set(gateway.counts().values()) == {1}


def test_a_run_after_all_is_done_sends_nothing(store: Store) -> None:
    """Replayed: 200 accepted, no request."""
    gateway = Gateway(Ways(), Random(7))
    submit_all(gateway, 0, store)
    result = submit_all(gateway, 1, store)
    assert all(outcome.replayed for outcome in result.accepted.values())
    assert {post.run for post in gateway.posts} == {0}


def test_what_an_earlier_run_left_unknown_is_proven_absent_and_sent(store: Store) -> None:
    """A resumed run learns from the journal's own accepted jobs that look-ups work here, so absence is proven."""
    gateway = Gateway(Ways(lookups="none"), Random(3))
    gateway.ways.faults = {"lost_before": 0.05}
    first = submit_all(gateway, 0, store)
    assert first.unknown
    gateway.ways.heal()
    gateway.ways.lookups = "external"
    second = submit_all(gateway, 1, store)
    assert len(second.accepted) == 200
    assert {post.external_task_id for post in gateway.posts if post.run == 1} == set(first.unknown)


@pytest.mark.parametrize("darkness", ["502", "connect_refused"])
def test_a_gateway_that_goes_dark_amid_a_hundred_thousand_jobs(darkness: str) -> None:
    """At most the window and the canaries are unknown, the rest was not sent, and the batch ends in 20 minutes.

    Those that closed the gate come on top: each gave its place in the window to another before.
    (So do answers that were overtaken by better news, where the network shuffles; here it does not.)
    """
    jobs, window, accepted = 100_000, 64, 3_000
    gateway = Gateway(Ways(latency=0.1, jitter=(1.0, 1.0), darkness=darkness), Random(5))
    told: Counter[str] = Counter()

    def source() -> Iterator[LipSyncRequest]:
        template = request(0)
        for number in range(jobs):
            yield evolve(template, external_task_id=f"job-{number}")

    async def live() -> None:
        limits = Limits(max_in_flight=window, initial_per_second=900.0)
        async with client_of(gateway, limits=limits) as client, client.stream(source()) as outcomes:
            async for outcome in outcomes:
                told[outcome.name] += 1
                if told["accepted"] == accepted and gateway.ways.dark[0] > 1e11:
                    gateway.ways.dark = (gateway.now, 1e12)

    loop = VirtualLoop()
    loop.run_to_end(live())
    assert told.total() == jobs
    assert told["unknown"] <= window + ROW - 1 + canaries(RetryPolicy().max_outage)
    assert (told["unknown"] == 0) is (darkness == "connect_refused")
    assert told["accepted"] + told["unknown"] + told["not_sent"] == jobs
    assert loop.now - 1000.0 < 20 * 60


def canaries(outage: float) -> int:
    """How many single jobs go out after 1, 2, 4 ... 60 s in an outage, and the one that ends it."""
    count, at, pause = 1, 0.0, 1.0
    while at < outage:
        count, at, pause = count + 1, at + pause, min(60.0, 2 * pause)
    return count


@pytest.mark.parametrize("window", [1, 2, 64])
@pytest.mark.parametrize("lookups", ["external", "none", "broken"])
def test_an_outage_at_the_very_end_is_outlived(window: int, lookups: str) -> None:
    """The last jobs of a list meet an outage, so no job is left to be the canary: the batch ends all the same."""
    gateway = Gateway(Ways(lookups=lookups), Random(5))

    def darken(progress: Progress) -> None:
        if progress.done == 3:
            gateway.ways.faults = {"lost_after": 1.0}
            gateway.ways.dark = (gateway.now + 2.0, gateway.now + 200.0)
            gateway.ways.darkness = "hang_before"

    async def live() -> BatchResult:
        async with client_of(gateway, limits=Limits(max_in_flight=window)) as client:
            return await client.submit_many(JOBS[:12], on_progress=darken)

    loop = VirtualLoop()
    result = loop.run_to_end(live())
    assert loop.now - 1000.0 < 20 * 60
    assert len(result) == 12
    assert not result.rejected
    if lookups == "external":
        assert len(result.accepted) + len(result.not_sent) == 12


def test_two_readers_share_one_stream() -> None:
    """Two tasks may iterate over the same outcomes: each outcome goes to one of them, and both end."""
    gateway = Gateway(Ways(), Random(5))

    async def live() -> list[list[Outcome]]:
        async with client_of(gateway) as client, client.stream(JOBS[:20]) as outcomes:

            async def read() -> list[Outcome]:
                return [outcome async for outcome in outcomes]

            return list(await asyncio.gather(read(), read()))

    first, second = VirtualLoop().run_to_end(live())
    assert len(first) + len(second) == 20


def test_a_policy_to_resend_never_calls_a_paid_job_unsent() -> None:
    """`resend` may pay twice, as the user chose, but what may have been charged is never told as not sent."""
    gateway = Gateway(Ways(faults={"lost_after": 0.5}, duplicates="accept"), Random(5))

    async def live() -> BatchResult:
        async with client_of(gateway, retry=RetryPolicy(max_attempts=2)) as client:
            return await client.submit_many(JOBS, options=RunOptions(ambiguous="resend"))

    result = VirtualLoop().run_to_end(live())
    assert all(isinstance(outcome, Accepted | Unknown) for outcome in result.values())
    assert not any(isinstance(outcome, NotSent) for outcome in result.values())
    assert max(gateway.counts().values()) == 2
