"""The book: reports are applied once, turns are given once, and void ones teach nothing."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing.book import LATE, SILENT, Book
from lipsync_async.dispatch.pacing.exchange import Grant, Known, News, Report, Rules
from lipsync_async.dispatch.pacing.kept import ABANDONED, OtherVersionError
from lipsync_async.terms import Kind

RULES = Rules.of(Limits())


def book(rules: Rules = RULES) -> Book:
    """An empty one."""
    return Book(rules, dice=random.Random(1).random)


def report(member: str, number: int, waiting: int = 0, *news: News, **more: object) -> Report:
    """What a member says."""
    return Report(member, number, RULES, waiting, 0, news, **more)  # type: ignore[arg-type]


def used(grant: Grant, what: str = "accepted", **more: object) -> list[News]:
    """What became of the turns of a grant."""
    return [News(what, turn=turn.number, **more) for turn in grant.turns]  # type: ignore[arg-type]


def test_a_turn_is_granted_at_the_pace() -> None:
    """The first at once, the next one an interval later, although it was asked for sooner."""
    kept = book()
    first = kept.exchange(report("a", 1, 5), 10.0)
    second = kept.exchange(report("a", 2, 4), 10.05)
    assert [turn.at for turn in (*first.turns, *second.turns)] == pytest.approx([10.0, 10.125], abs=0.002)
    assert first.members == 1


NEWS = st.lists(st.sampled_from(["accepted", "refused", "ended", "returned"]), min_size=1, max_size=6)


@given(st.lists(NEWS, max_size=12), st.integers(0, 11))
def test_a_report_that_comes_twice_is_applied_once(rounds: list[list[str]], twice: int) -> None:
    """Two books that hear the same are the same, though one hears a report twice."""
    one, two, now = book(), book(), 10.0
    held: list[int] = []
    for number, words in enumerate(rounds, 1):
        now += 0.2
        news = [News(word, turn=held.pop(0), age=0.01) for word in words if held]
        said = report("a", number, 3, *news)
        grant = one.exchange(said, now)
        other = two.exchange(said, now)
        assert other.turns == grant.turns
        if number == twice:
            assert two.exchange(said, now).turns == grant.turns
        held += [turn.number for turn in grant.turns]
    assert one.pacer.snapshot() == two.pacer.snapshot()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 0.4), st.integers(0, 3)), max_size=40))
def test_a_book_that_is_frozen_between_any_two_calls_is_the_same(calls: list[tuple[str, float, int]]) -> None:
    """Nothing is kept outside of the state."""
    kept, stored, now = book(), b"", 10.0
    numbers = dict.fromkeys("abc", 0)
    for member, pause, waiting in calls:
        now += pause
        numbers[member] += 1
        thawed = Book.thaw(stored, RULES, now, dice=random.Random(1).random)
        said = report(member, numbers[member], waiting)
        assert thawed.exchange(said, now) == kept.exchange(said, now)
        stored = thawed.freeze()


def test_nobody_gets_ahead_of_who_waits_and_comes_in_time() -> None:
    """Who was served more leaves the next turn to who comes for it."""
    kept = book()
    kept.exchange(report("a", 1, 9), 10.0)
    kept.exchange(report("b", 1, 9), 10.01)
    kept.exchange(report("a", 2, 9), 10.02)
    kept.exchange(report("a", 3, 9), 10.25)  # it has three now, and the other one two
    due = kept.members["b"].due
    assert not kept.exchange(report("a", 4, 9), due + 0.05).turns
    assert kept.exchange(report("b", 2, 9), due + 0.06).turns


def test_who_does_not_come_is_not_waited_for() -> None:
    """Past its moment and a little, the turn goes to whoever asks."""
    kept = book()
    kept.exchange(report("a", 1, 9), 10.0)
    kept.exchange(report("b", 1, 9), 10.01)
    kept.exchange(report("a", 2, 9), 10.02)
    kept.exchange(report("a", 3, 9), 10.25)
    assert kept.exchange(report("a", 4, 9), kept.members["b"].due + LATE + 0.001).turns


def test_a_refusal_begins_an_epoch_and_turns_of_before_teach_nothing() -> None:
    """One refusal is one lesson, whoever else is refused meanwhile."""
    kept = book()
    first = kept.exchange(report("a", 1, 1), 10.0)
    second = kept.exchange(report("b", 1, 1), 10.1)
    assert first.turns
    assert second.turns
    cut = kept.exchange(report("a", 2, 0, *used(first, "refused", first=2.0)), 10.2)
    assert cut.epoch > first.epoch
    assert cut.shut
    pace = kept.pacer.pace
    after = kept.exchange(report("b", 2, 0, *used(second, "refused")), 10.3)
    assert kept.pacer.pace == pace
    assert after.epoch == cut.epoch


def test_a_shut_gate_opens_for_one_canary_of_all() -> None:
    """Four processes send one request."""
    kept = book()
    first = kept.exchange(report("a", 1, 1), 10.0)
    kept.exchange(report("a", 2, 1, *used(first, "refused", first=1.0)), 10.1)
    grants = [kept.exchange(report(name, 1, 4), 11.3) for name in "bcd"]
    assert [len(grant.turns) for grant in grants] == [1, 0, 0]
    opened = kept.exchange(report("b", 2, 0, *used(grants[0])), 11.5)
    assert not opened.shut


def test_a_canary_that_was_not_sent_is_followed_by_another() -> None:
    """The gate stays shut, and the next one that asks is the canary."""
    kept = book()
    first = kept.exchange(report("a", 1, 1), 10.0)
    kept.exchange(report("a", 2, 0, *used(first, "refused", first=1.0)), 10.1)
    canary = kept.exchange(report("b", 1, 1), 11.3)
    kept.exchange(report("b", 2, 0, *used(canary, "returned")), 11.4)
    again = [kept.exchange(report(name, 1, 1), 11.5) for name in "cd"]
    assert [len(grant.turns) for grant in again] == [1, 0]
    assert again[0].shut


def test_the_turns_of_who_is_silent_come_back() -> None:
    """Not sooner, and not later, than after the time that is said."""
    kept = book()
    kept.exchange(report("a", 1, 1), 10.0)
    assert kept.pacer.in_flight == 1
    kept.exchange(report("b", 1), 10.0 + SILENT)
    assert kept.pacer.in_flight == 1
    kept.exchange(report("b", 2), 10.0 + SILENT + 0.001)
    assert kept.pacer.in_flight == 0


def test_a_late_word_of_who_was_given_up_counts_its_task_and_nothing_twice() -> None:
    """A process was frozen, not dead."""
    kept = book()
    grant = kept.exchange(report("a", 1, 1), 10.0)
    kept.exchange(report("b", 1), 20.0)
    said = report("a", 2, 0, *used(grant))
    kept.exchange(said, 21.0)
    kept.exchange(said, 21.1)
    assert kept.pacer.in_flight == 0
    assert kept.pacer.statistics().live_tasks == 1


def test_a_clock_that_is_set_back_stands_still_and_goes_on() -> None:
    """It does not stand still until it has caught up."""
    kept = book()
    before = kept.exchange(report("a", 1, 1), 5000.0)
    back = kept.exchange(report("a", 2, 1, *used(before)), 1400.0)
    assert back.now == 5000.0
    later = Book.thaw(kept.freeze(), RULES, 1401.0).exchange(report("a", 3, 1, *used(back)), 1401.0)
    assert later.now == pytest.approx(5001.0)
    assert later.turns


def test_a_new_book_takes_what_the_first_member_remembers() -> None:
    """The store forgot everything; the second member's memory is not asked for."""
    kept = book()
    grant = kept.exchange(report("a", 1, 0, known=Known(15.0, 14.0, 16.0, live=3)), 10.0)
    assert (grant.known.pace, grant.known.lo, grant.known.hi, grant.known.live) == (14.0, 14.0, 16.0, 3)
    kept.exchange(report("b", 1, 0, known=Known(90.0, 90.0, 91.0)), 10.0)
    assert kept.pacer.pace == 14.0


def test_other_limits_count_from_the_moment_when_somebody_brings_them() -> None:
    """A new release of a service has other settings."""
    kept = book()
    grant = kept.exchange(report("a", 1, 1), 10.0)
    strict = Rules.of(Limits(max_per_second=2.0))
    kept.exchange(msgspec.structs.replace(report("b", 1), rules=strict), 10.1)
    assert kept.pacer.pace <= 2.0
    assert kept.pacer.in_flight == 1
    kept.exchange(report("a", 2, 0, *used(grant)), 10.2)
    assert kept.pacer.in_flight == 0
    assert kept.rules == strict


def test_a_stop_is_told_once_to_all_who_were_there() -> None:
    """Neither who told it, nor who came later, is stopped by it."""
    kept = book()
    kept.exchange(report("a", 1), 10.0)
    kept.exchange(report("b", 1), 10.0)
    mine = kept.exchange(report("a", 2, 0, News("stop", kind=Kind.AUTH, text="dead key")), 10.1)
    told = kept.exchange(report("b", 2), 10.2)
    assert mine.stop is None
    assert told.stop is not None
    assert (told.stop.kind, told.stop.message) == (Kind.AUTH, "dead key")
    assert kept.exchange(report("b", 3), 10.3).stop is None
    assert kept.exchange(report("c", 1), 10.3).stop is None


def test_who_leaves_gives_everything_back() -> None:
    """Nobody waits five seconds for a process that said so."""
    kept = book()
    kept.exchange(report("a", 1, 1), 10.0)
    kept.exchange(report("a", 2, leaving=True), 10.1)
    assert kept.pacer.in_flight == 0
    assert kept.exchange(report("b", 1), 10.2).members == 1


def test_a_book_of_another_version_is_kept_while_somebody_uses_it() -> None:
    """It is replaced when nobody does; so is rubbish."""
    kept = book()
    kept.exchange(report("a", 1), 10.0)
    fields = msgspec.msgpack.decode(kept.freeze())
    other = msgspec.msgpack.encode([fields[0], fields[1] + 1, *fields[2:]])
    with pytest.raises(OtherVersionError):
        Book.thaw(other, RULES, 10.0 + ABANDONED - 0.001)
    assert not Book.thaw(other, RULES, 10.0 + ABANDONED).members
    assert not Book.thaw(b"rubbish", RULES, 10.0).members
    assert Book.thaw(kept.freeze(), RULES, 10.0 + 10 * ABANDONED).members


def test_turns_are_numbered_anew_after_the_store_forgot_everything() -> None:
    """Else news of an old turn would be taken for one of a new turn."""
    numbers = {Book(RULES).exchange(report("a", 1, 1), 10.0).turns[0].number for _ in range(20)}
    assert len(numbers) == 20
