"""Refusals that no pace avoids: each phase, what ends it, and both sides of each edge."""

import math
import random

import pytest

from lipsync_async.dispatch.pacing.background import (
    BLOCK,
    CALM,
    EARLY_REFUSALS,
    ENOUGH,
    LOOK,
    LOW,
    SURE,
    UNSURE,
    Advice,
    Background,
    Evidence,
    Phase,
    Replies,
)
from lipsync_async.terms import Kind


class Run:
    """A background and its clock: a reply comes so often (`every` seconds), to a request sent just now."""

    def __init__(self, share: float = 0.0, every: float = 1.0) -> None:
        self.background = Background()
        self.now, self.every = 0.0, every
        if share:
            self.background.share = share
            self.background._calm()

    def accept(self, times: int = 1, *, unbounded: bool = False) -> list[Advice]:
        """So many are accepted."""
        return [self._reply(False, None, math.inf, unbounded) for _ in range(times)]

    def refuse(self, times: int = 1, *, kind: Kind | None = None, pace: float = math.inf) -> list[Advice]:
        """So many are refused."""
        return [self._reply(True, kind, pace, False) for _ in range(times)]

    def window(self, refused_per_run: int = 1, *, kind: Kind | None = None) -> Advice:
        """The last refusal's advice of a window: eight accepted in three runs."""
        advice = Advice.NOTHING
        for accepted in (3, 3, 2):
            self.accept(accepted)
            advice = self.refuse(refused_per_run, kind=kind)[-1]
        return advice

    def tested(self) -> "Run":
        """The same, at the beginning of a test."""
        self.refuse()
        assert self.window() is Advice.LEARN
        assert self.window() is Advice.TEST
        return self

    def tried(self) -> "Run":
        """The same, at the beginning of a trial."""
        self.tested()
        while self.background.phase is Phase.TESTING:
            self.accept(2)
            self.refuse()
        assert self.background.phase is Phase.TRIAL
        return self

    def _reply(self, refused: bool, kind: Kind | None, pace: float, unbounded: bool) -> Advice:
        self.now += self.every
        if refused:
            return self.background.refused(self.now, self.now, kind, pace, unbounded)
        return self.background.accepted(self.now, self.now, unbounded)


# ------------------------------------------------------------------------------------------------- counting


def test_refusals_in_a_row_are_one_run() -> None:
    """Three, an acceptance, and two: five refusals in two runs."""
    replies = Replies(0.0)
    firsts = [replies.refuse() for _ in range(3)]
    replies.accept()
    firsts += [replies.refuse() for _ in range(2)]
    assert firsts == [True, False, False, True, False]
    assert (replies.refused, replies.accepted, replies.runs, replies.total) == (5, 1, 2, 6)


def test_evidence_is_the_logarithm_of_how_much_likelier() -> None:
    """A refusal speaks for the larger share, an acceptance for the smaller one."""
    evidence = Evidence(0.2, 0.02)
    evidence.add(refused=True)
    assert evidence.sum == pytest.approx(math.log(10))
    evidence.add(refused=False)
    assert evidence.sum == pytest.approx(math.log(10) + math.log(0.8 / 0.98))


# ------------------------------------------------------------------------------------------------- watching


def test_nothing_is_known_and_nothing_asked_for_at_first() -> None:
    """Accepted jobs cost nothing before the first refusal."""
    background = Background()
    assert (background.share, background.active, background.phase) == (0.0, False, Phase.CALM)


def test_a_refusal_speaks_of_the_pace() -> None:
    """Until a test has shown otherwise."""
    run = Run()
    assert run.refuse() == [Advice.LEARN]
    assert (run.background.phase, run.background.active) == (Phase.WATCHING, True)


@pytest.mark.parametrize(("accepted", "phase"), [(CALM, Phase.WATCHING), (CALM + 1, Phase.CALM)])
def test_rare_refusals_are_forgotten(accepted: int, phase: Phase) -> None:
    """Twenty-five accepted jobs after a refusal are not yet enough, one more is."""
    run = Run()
    run.refuse()
    run.accept(accepted)
    assert run.background.phase is phase
    assert run.background.active is (phase is Phase.WATCHING)


def test_a_test_comes_with_the_second_window() -> None:
    """One window may be the bracket's search; a second says that refusals go on."""
    run = Run().tested()
    assert run.background.phase is Phase.TESTING
    assert run.background.test_pace == pytest.approx(run.background.passed * LOW)


def test_a_window_begins_at_a_refusal() -> None:
    """What was accepted before the first refusal may have been a burst's."""
    run = Run()
    run.accept(500)
    run.refuse()
    run.window()
    assert run.background.passed == pytest.approx(8 / 11)


def test_replies_to_earlier_requests_do_not_count() -> None:
    """They were sent before the window began."""
    background = Background()
    background.refused(10.0, 9.0, None, math.inf, False)
    for _ in range(100):
        assert background.accepted(11.0, 9.5, False) is Advice.NOTHING
        assert background.refused(11.0, 9.9, None, math.inf, False) is Advice.LEARN
    assert (background.phase, background.passed) == (Phase.WATCHING, 0.0)


def test_a_limiter_that_is_closed_for_a_while_is_not_tested() -> None:
    """Nearly all are refused, in long runs."""
    run = Run()
    run.refuse()
    assert {run.window(refused_per_run=20) for _ in range(9)} == {Advice.LEARN}


@pytest.mark.parametrize(("kind", "windows"), [(Kind.RATE, 2), (None, 4)])
def test_a_slow_test_waits_for_more_windows(kind: Kind | None, windows: int) -> None:
    """A job every hundred seconds: a test takes a quarter of an hour; a hidden reason may be the running tasks."""
    run = Run()
    run.refuse(kind=kind)
    said = []
    for _ in range(windows):
        run.now += 3000
        said.append(run.window(kind=kind))
    assert said[-1] is Advice.TEST
    assert Advice.TEST not in said[:-1]
    assert run.background._replies.since == run.now + 60  # tasks that run end slowly


def test_slow_refusals_for_capacity_are_not_tested() -> None:
    """A drip comes to rest at one refusal in seven; only a much larger share is worth a slow test."""
    run = Run()
    run.refuse(kind=Kind.CAPACITY)
    for _ in range(9):
        run.now += 3000
        assert run.window(kind=Kind.CAPACITY) is Advice.LEARN


# -------------------------------------------------------------------------------------------------- testing


def test_without_refusals_it_was_the_pace() -> None:
    """A limit refuses nothing at six tenths of what it let through."""
    run = Run().tested()
    advice = run.accept(60)
    assert advice.count(Advice.RETURN) == 1
    assert run.background.share == 0.0


def test_with_as_many_refusals_as_before_it_was_chance() -> None:
    """The share that was found is put to the trial."""
    run = Run().tried()
    assert 0.2 < run.background.share < 0.5
    assert run.background.active


def test_refusals_in_a_row_count_once_in_a_test() -> None:
    """A limiter that closed is no chance: fifteen in a row are not evidence enough, and the sixteenth ends the test."""
    run = Run().tested()
    assert run.refuse(15) == [Advice.NOTHING] * 15
    assert run.background._evidence.sum < SURE
    assert run.refuse() == [Advice.RETURN]


def test_after_a_test_the_next_waits_twice_as_long() -> None:
    """Windows two and four are tested, not the third."""
    run = Run().tested()
    while run.accept() != [Advice.RETURN]:
        pass
    said = [run.window() for _ in range(2)]
    assert said == [Advice.LEARN, Advice.TEST]


def test_few_refusals_are_looked_for_among_few() -> None:
    """One of fifty: a limit refuses a fifth of that at a pace near to what passed, so ten of them are beyond doubt."""
    run = Run(every=0.1)
    run.refuse()
    while run.background.phase is not Phase.TESTING:
        run.accept(50)
        run.refuse()
    assert run.background.test_pace > 0.9 * run.background.passed
    refused = 0
    while run.background.phase is Phase.TESTING:
        run.accept(50)
        run.refuse()
        refused += 1
    assert run.background.phase is Phase.TRIAL
    assert 4 <= refused <= 12


@pytest.mark.parametrize(("refused", "again"), [(2, False), (3, True)])
def test_refusals_come_again_from_the_third_on(refused: int, again: bool) -> None:
    """Each after an accepted job, and none of them long ago; a calm ends it."""
    run = Run()
    run.refuse()
    assert not run.background.comes_again
    for _ in range(refused):
        run.accept()
        run.refuse()
    assert run.background.comes_again == again
    run.accept(10 * CALM)
    assert not run.background.comes_again


# ---------------------------------------------------------------------------------------------------- trial


def test_a_share_that_stays_at_twice_the_pace_is_the_background() -> None:
    """From then on refusals teach nothing, as long as they are no more."""
    run = Run().tried()
    while run.background.phase is Phase.TRIAL:
        run.accept(3)
        run.refuse()
    assert 0.2 < run.background.share < 0.4
    assert run.refuse() == [Advice.NOTHING]


def test_a_share_that_rises_with_the_pace_is_a_limit_s() -> None:
    """The limit had fallen while it was tested: there is no background, and the refusal is a lesson."""
    run = Run().tried()
    said: list[Advice] = []
    for _ in range(9):
        said += run.accept() + run.refuse(4)
    assert Advice.LEARN in said
    assert run.background.share == 0.0


def test_a_trial_that_is_only_refused_ends() -> None:
    """A refusal is told sooner than an acceptance, so some are let pass, but not for ever."""
    run = Run().tried()
    advice = run.refuse(EARLY_REFUSALS)
    assert set(advice) == {Advice.NOTHING}
    assert Advice.LEARN in run.refuse(30)
    assert run.background.share == 0.0


def test_a_share_can_be_proven_elsewhere() -> None:
    """Few replies say little, so the share leans to a half."""
    run = Run()
    run.refuse()
    run.accept(2)
    run.refuse()
    assert run.background.disprove(run.now) is Advice.RAISE
    assert run.background.share == pytest.approx((1 + 2) / (3 + 4))


# ------------------------------------------------------------------------------- a background that is known


def test_what_does_not_exceed_the_background_teaches_nothing() -> None:
    """One in five, for a thousand replies."""
    run = Run(0.2)
    for _ in range(200):
        assert run.refuse() == [Advice.NOTHING]
        run.accept(4, unbounded=True)
    assert run.background.share == pytest.approx(0.2)


def test_what_exceeds_it_is_a_lesson() -> None:
    """Ten in a row are no chance of one in five."""
    assert Advice.LEARN in Run(0.2).refuse(10)
    assert Advice.LEARN not in Run(0.2).refuse(3)


def test_a_limit_explains_refusals_above_what_passes() -> None:
    """So they are lessons, however many; at a pace that passed before, they are a background that grew."""
    for pace, advice in ((100.0, Advice.LEARN), (0.5, Advice.TEST)):
        run = Run(0.2)
        said: list[Advice] = []
        for _ in range(40):
            run.accept()
            said += run.refuse(1, pace=pace)
        assert advice in said
        assert (Advice.TEST in said) is (advice is Advice.TEST)


def test_a_background_that_grew_is_measured_and_put_to_the_trial() -> None:
    """Every second one instead of every fifth."""
    run = Run(0.2)
    while run.background.phase is not Phase.TESTING:
        run.accept()
        run.refuse(1, pace=0.5)
    said: list[Advice] = []
    while run.background.phase is Phase.TESTING:
        said += run.accept() + run.refuse()
    assert Advice.RAISE in said
    assert run.background.share == pytest.approx((LOOK / 2 + 20 * 0.2) / (LOOK + 20), rel=0.03)


def test_a_background_never_grows_without_a_test() -> None:
    """Three in ten, where two were known: not enough for a lesson, and no proof."""
    run = Run(0.2)
    for _ in range(3 * BLOCK // 10):
        run.accept(7, unbounded=True)
        run.refuse(3)
    assert run.background.share == pytest.approx(0.2)


def test_a_background_that_vanishes_is_forgotten() -> None:
    """Halved with every block, until it is none."""
    run = Run(0.2)
    run.accept(5 * BLOCK, unbounded=True)
    assert run.background.share == 0.0
    assert not run.background.active


def test_below_a_known_limit_it_is_looked_at_from_below() -> None:
    """After two blocks; where hardly any are refused there, a limit had refused the rest."""
    run = Run(0.2)
    said: list[Advice] = []
    for _ in range(3 * BLOCK // 5):
        said += run.accept(4) + run.refuse(1)
        if Advice.TEST in said:
            break
    assert len(said) == pytest.approx(2 * BLOCK, abs=10)
    assert run.background.test_pace == pytest.approx(LOW * 0.8, rel=0.05)
    assert Advice.RETURN in run.accept(60)
    assert run.background.share == 0.0


def test_a_look_that_confirms_is_rarer_next_time() -> None:
    """Twice as many blocks, sixteen at most."""
    run = Run(0.2)
    due = [run.background._blocks_to_look for _ in range(20 * BLOCK) if Advice.TEST in run.accept(4) + run.refuse()]
    assert due[:4] == [4, 8, 16, 16]
    assert run.background.share == pytest.approx(0.2, abs=0.02)


def test_one_error_in_fifty_and_in_thirty() -> None:
    """What the two bounds mean (Wald)."""
    assert math.exp(-SURE) < 1 / 50
    assert math.exp(UNSURE) < 1 / 30
    assert ENOUGH >= 8


@pytest.mark.parametrize("seed", range(7))
def test_a_limit_s_test_is_never_failed(seed: int) -> None:
    """A limit that refuses one in fifty at the test's pace, as jitter does, is told from chance."""
    dice = random.Random(seed)
    run = Run().tested()
    while run.background.phase is Phase.TESTING:
        run.refuse() if dice.random() < 0.02 else run.accept()
    assert run.background.phase is not Phase.TRIAL
