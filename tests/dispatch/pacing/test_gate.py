"""The gate: open, shut, canary."""

import math

import pytest

from lipsync_async.dispatch.pacing.gate import JITTER, LONGEST, SHORTEST, Gate


def gate(dice: float = 0.5) -> Gate:
    """A new one."""
    return Gate(lambda: dice)


def test_a_new_gate_is_open() -> None:
    """Nothing holds the first request back."""
    assert not gate().shut


def test_a_closed_gate_says_how_long() -> None:
    """What is left of the wait is told to the second, and is never below zero."""
    g = gate()
    g.close(10.0, 5.0)
    assert g.shut
    assert g.wait(10.0) == 5.0
    assert g.wait(14.0) == 1.0
    assert g.wait(15.0) == 0.0
    assert g.wait(99.0) == 0.0


def test_a_later_closing_never_shortens_the_wait() -> None:
    """The latest of all the times that were asked for counts."""
    g = gate()
    g.close(10.0, 5.0)
    g.close(11.0, 1.0)
    assert g.wait(11.0) == 4.0


def test_a_gate_closed_for_no_time_stays_shut_a_moment() -> None:
    """The canary is later than everything that was sent before the gate was shut."""
    g = gate()
    g.close(10.0, 0.0)
    assert g.wait(10.0) == pytest.approx(SHORTEST)


def test_a_lifted_pause_lets_the_canary_go_later_than_what_was_sent_before() -> None:
    """It left at the very moment of the refusal: its own refusal was taken for an old one, and it was out for ever."""
    g = gate()
    g.close(10.0, 1e7)
    g.lift(10.0)
    assert g.wait(10.0) == pytest.approx(SHORTEST)
    g.close(20.0, 1e7)
    g.lift(25.0)
    assert g.wait(25.0) == 0.0


def test_while_the_canary_is_under_way_nothing_else_goes() -> None:
    """After the canary left, the wait has no end but its answer."""
    g = gate()
    g.close(10.0, 1.0)
    g.send_canary(11.0)
    assert g.wait(99.0) == math.inf
    assert g.is_canary(11.0)
    assert not g.is_canary(10.0)


def test_an_opened_gate_has_forgotten_everything() -> None:
    """Opening ends the canary, the wait and the row of refusals."""
    g = gate()
    g.refuse(10.0, None, 0.1)
    g.send_canary(11.0)
    g.open()
    assert (g.shut, g.refusals, g.wait(0.0)) == (False, 0, 0.0)


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_a_hint_is_followed_and_a_little_more(dice: float) -> None:
    """The wait is the hint, a millisecond, and at most the jitter."""
    g = gate(dice)
    g.refuse(0.0, 7.0, 0.1)
    assert g.wait(0.0) == pytest.approx(7.0 + SHORTEST + JITTER * dice)


@pytest.mark.parametrize(("interval", "wait"), [(0.01, 0.1), (0.1, 0.1), (0.4, 0.4), (1.0, 1.0), (60.0, 1.0)])
def test_the_first_wait_without_a_hint_is_one_interval(interval: float, wait: float) -> None:
    """It is 1/pace, but a tenth of a second at least and a second at most."""
    g = gate()
    g.refuse(0.0, None, interval)
    assert g.wait(0.0) == pytest.approx(wait)


def test_waits_without_a_hint_double_up_to_the_longest() -> None:
    """Half a second, one, two ... and never more than twenty."""
    g, waits = gate(1.0), []
    for turn in range(12):
        g.refuse(turn * 100.0, None, 0.1)
        waits.append(g.wait(turn * 100.0))
    assert waits[:6] == pytest.approx([0.1, 0.5, 1.0, 2.0, 4.0, 8.0])
    assert waits[-1] == pytest.approx(LONGEST)


def test_waits_without_a_hint_are_jittered_downwards() -> None:
    """Dice of zero take a quarter off."""
    g = gate(0.0)
    g.refuse(0.0, None, 0.1)
    g.refuse(10.0, None, 0.1)
    assert g.wait(10.0) == pytest.approx(0.375)
