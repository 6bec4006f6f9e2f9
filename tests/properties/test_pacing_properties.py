"""What holds for the pacer after any history."""

import heapq
import math
import random

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from benchmarks._clients import FAR, NEAR, Learned, Network, simulate
from benchmarks._limiters import AtRandom, TokenBucket
from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.dispatch.pacing.background import Advice, Background, Phase
from lipsync_async.terms import Kind
from tests.amounts import how_many

KINDS = st.sampled_from([Kind.RATE, Kind.CAPACITY, None])
HINTS = st.none() | st.floats(0, 50)
PAUSES = st.floats(0, 2) | st.floats(0, 100)


class Account(RuleBasedStateMachine):
    """Any order of requests, replies and pauses; a small model beside the pacer says what it owes."""

    @initialize(
        in_flight=st.integers(1, 8),
        per_second=st.none() | st.floats(0.5, 5000),
        tasks=st.none() | st.integers(1, 6),
        seed=st.integers(0, 99),
    )
    def begin(self, in_flight: int, per_second: float | None, tasks: int | None, seed: int) -> None:
        """An account whose user gave these limits."""
        self.limits = Limits(max_in_flight=in_flight, max_per_second=per_second, max_running_tasks=tasks)
        self.pacer = Pacer(self.limits, dice=random.Random(seed).random)
        self.now = 1000.0
        self.under_way: list[float] = []
        self.sends: list[float] = []
        self.hinted_until = -math.inf
        self.closed_at: float | None = None  # by the brake or a hint; None since an answer to what was sent later
        self.live = 0
        self.held_at: float | None = None  # at the user's limit of tasks, since

    def _admit(self) -> float:
        wait = self.pacer.admit(self.now)
        if wait:
            return wait
        assert self.now >= self.hinted_until, "a Retry-After was undercut"
        if self.closed_at is not None:
            assert all(sent <= self.closed_at for sent in self.under_way), "a second canary"
        self.under_way.append(self.now)
        self.sends.append(self.now)
        return wait

    @rule()
    def ask(self) -> None:
        """A worker has a job."""
        assert self._admit() >= 0

    @rule(count=st.integers(2, 30))
    def press(self, count: int) -> None:
        """A worker waits for its turn, again and again."""
        for _ in range(count):
            wait = self._admit()
            if wait > 10:
                return
            self.now += wait

    @rule(pause=PAUSES)
    def pass_time(self, pause: float) -> None:
        """Nothing happens."""
        self.now += pause

    def _answered(self, data: st.DataObject) -> float:
        sent_at = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if self.closed_at is not None and sent_at > self.closed_at:
            self.closed_at = None
        return sent_at

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        """One is accepted."""
        self.pacer.accepted(self.now, self._answered(data))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def accept_all(self, data: st.DataObject) -> None:
        """All are accepted."""
        while self.under_way:
            self.accept(data)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), kind=KINDS, hint=HINTS)
    def refuse(self, data: st.DataObject, kind: Kind | None, hint: float | None) -> None:
        """One is refused."""
        self.pacer.refused(self.now, self._answered(data), kind, hint)
        if hint is not None:
            self.hinted_until = max(self.hinted_until, self.now + hint)
            self.closed_at = self.now

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """One ends without news."""
        self.pacer.ended(self.now, self._answered(data))

    @rule(tasks=st.integers(1, 5))
    def complete(self, tasks: int) -> None:
        """Tasks are seen to end."""
        self.pacer.completed(self.now, tasks)

    @rule(count=st.integers(1, 12), age=st.floats(0, 1000), late=st.floats(0, 600))
    def see(self, count: int, age: float, late: float) -> None:
        """A task is seen to have ended, and when; as many looks at once."""
        for number in range(count):
            old = age + 7.0 * number
            self.pacer.completed(self.now, age=old, took=max(0.0, old - late))

    @rule(live=st.integers(0, 9))
    def resume(self, live: int) -> None:
        """Tasks of an earlier run are found."""
        self.pacer.restore(self.now, live)

    @rule(wait=st.floats(0, 50))
    def brake(self, wait: float) -> None:
        """Somebody shuts the gate."""
        self.pacer.close(self.now, wait)
        self.hinted_until = max(self.hinted_until, self.now + wait)
        self.closed_at = self.now

    @invariant()
    def in_flight_is_bounded(self) -> None:
        """Never more than `max_in_flight`, and the count is right."""
        assert self.pacer.in_flight == len(self.under_way) <= self.limits.max_in_flight

    @invariant()
    def pace_is_bounded(self) -> None:
        """`w` seconds see at most `1 + max_per_second * (w + 0.001001)` requests."""
        per_second = self.limits.max_per_second
        if per_second is None or not self.sends:
            return
        assert self.pacer.pace <= per_second
        last = self.sends[-1]
        for count, sent_at in enumerate(reversed(self.sends[-300:]), 1):
            assert count <= 1 + per_second * (last - sent_at + 0.001001) + 1e-3

    @invariant()
    def the_background_is_a_share(self) -> None:
        """Nothing that is refused makes it one, and no test's pace is above the user's."""
        background = self.pacer._background
        assert 0 <= background.share < 1
        assert self.pacer.pace > 0

    @invariant()
    def it_can_be_asked_and_shown(self) -> None:
        """What holds a request back is always one of the words."""
        words = {"", "rate", "gate", "canary", "running tasks", "requests in flight"}
        assert self.pacer.waiting_for(self.now) in words
        assert self.pacer.statistics().in_flight == self.pacer.in_flight
        assert repr(self.pacer).startswith("<Pacer ")

    def teardown(self) -> None:
        """There is no dead end: with nothing in flight a request goes within a bounded time."""
        if not hasattr(self, "pacer"):
            return
        for sent_at in self.under_way:
            self.pacer.ended(self.now, sent_at)
        begun = self.now
        while wait := self.pacer.admit(self.now):
            assert wait < math.inf, "a dead end"
            self.now += wait
            # A hint, a drip, a turn at the slowest pace, and until the last task that was not seen to end is given up.
            assert self.now - begun < 50 + 30 + 60 + (30 * 1100 if self.pacer.statistics().live_tasks else 0) + 1


Account.TestCase.settings = settings(max_examples=how_many(150), stateful_step_count=40, deadline=None)
TestAccount = Account.TestCase


@given(gap=st.floats(0.13, 1000), jobs=st.integers(1, 300), latency=st.floats(0, 0.1))
def test_a_pace_that_is_not_used_does_not_grow(gap: float, jobs: int, latency: float) -> None:
    """Jobs that come slower than the pace leave it as it was."""
    pacer = Pacer(Limits(), dice=random.Random(1).random)
    for job in range(jobs):
        sent_at = job * gap
        assert pacer.admit(sent_at) == 0.0
        pacer.accepted(sent_at + latency, sent_at)
    assert pacer.pace == 8.0


@settings(deadline=None, max_examples=how_many(40))
@given(
    limit=st.integers(1, 20),
    late=st.sampled_from([0.0, 5.0, 60.0, 600.0]),
    seed=st.integers(0, 999),
    shortest=st.floats(20, 200),
)
def test_running_tasks_are_hardly_more_than_the_user_allows(
    limit: int, late: float, seed: int, shortest: float
) -> None:
    """An account without a limit: once ends are known, what runs is above the number seldom, and by little.

    `late`: seconds at most from an end to its being seen.
    """
    pacer, dice = Pacer(Limits(max_running_tasks=limit), dice=random.Random(1).random), random.Random(seed)
    for _ in range(200):
        took = shortest * dice.uniform(1, 3)
        pacer.recall(took, took + dice.uniform(0, late))
    ends: list[tuple[float, float, float]] = []  # seen at, born, took
    above, seconds, most = 0, int(30 * shortest), 0
    for second in range(seconds):
        now = float(second)
        while ends and ends[0][0] <= now:
            seen_at, born, took = heapq.heappop(ends)
            pacer.completed(now, age=seen_at - born, took=took)
        if pacer.admit(now) == 0.0:
            pacer.accepted(now, now)
            took = shortest * dice.uniform(1, 3)
            heapq.heappush(ends, (now + took + dice.uniform(0, late), now, took))
        running = sum(born + took > now for _, born, took in ends)
        most = max(most, running)
        above += running > limit
    assert most <= limit + 2 + 2.5 * math.sqrt(limit) * (late > 0)
    assert above <= 0.2 * seconds


@settings(deadline=None, max_examples=how_many(50))
@given(limit=st.integers(1, 20), seconds=st.integers(1, 4000))
def test_without_an_end_that_was_seen_tasks_end_by_their_age(limit: int, seconds: int) -> None:
    """Nothing goes before 45 s; later, as many as are taken to have ended, half of them after three minutes."""
    pacer = Pacer(Limits(max_running_tasks=limit), dice=random.Random(1).random)
    begun: list[float] = []
    for second in range(seconds):
        if pacer.admit(float(second)) == 0.0:
            pacer.accepted(float(second), float(second))
            begun.append(float(second))
            assert sum(second - born < 45 for born in begun) <= limit
            assert sum(second - born < 90 for born in begun) <= 2 * limit


@settings(deadline=None, max_examples=how_many(25))
@given(
    share=st.floats(0.08, 0.5),
    kind=KINDS,
    seed=st.integers(0, 10_000),
    network=st.sampled_from([NEAR, FAR]),
)
def test_no_share_of_refusals_at_random_stops_a_run(
    share: float, kind: Kind | None, seed: int, network: Network
) -> None:
    """Without a limit, 500 jobs end within an hour; the pace without a floor took a day."""
    run = simulate(
        lambda _w, dice: AtRandom(dice, [(0, share)], kind), Learned, seed, jobs=500, seconds=3600, network=network
    )
    assert run.accepted == 500


@settings(deadline=None, max_examples=how_many(25))
@given(
    rate=st.floats(1, 60),
    burst=st.floats(0.2, 5),
    seed=st.integers(0, 10_000),
    network=st.sampled_from([NEAR, FAR]),
)
def test_no_token_bucket_is_taken_for_chance(rate: float, burst: float, seed: int, network: Network) -> None:
    """At the end of five minutes nothing it refused is believed to be unavoidable, and little was refused."""
    learned: list[Learned] = []

    def algorithm(dice: random.Random) -> Learned:
        learned.append(Learned(dice))
        return learned[0]

    run = simulate(lambda _w, _d: TokenBucket([(0, rate)], burst), algorithm, seed, seconds=300, network=network)
    assert learned[0].pacer._background.share == 0.0
    assert run.waste < 15


@given(replies=st.lists(st.tuples(st.booleans(), st.floats(0.001, 10)), max_size=300), share=st.floats(0.0, 0.7))
def test_a_background_moves_by_tests_alone(replies: list[tuple[bool, float]], share: float) -> None:
    """Whatever is replied, it grows only with the advice to go faster, and a test ends before the next begins."""
    background, now, testing = Background(), 0.0, False
    background.share = share
    background._calm()
    for refused, pause in replies:
        now, before = now + pause, background.share
        advice = background.refused(now, now, None, 1.0, False) if refused else background.accepted(now, now, False)
        assert 0 <= background.share < 1
        if background.share > before + 1e-9:
            assert advice is Advice.RAISE or testing or background.phase is Phase.CALM
        assert not (testing and advice is Advice.TEST)
        testing = background.phase is Phase.TESTING
        assert background.test_pace > 0 or not testing
