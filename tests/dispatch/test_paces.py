"""The pacer's history: bounded, in order, with its first and its last sample, and the same after it was written."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async import Limits
from lipsync_async.dispatch.paces import (
    APART,
    HELD,
    LANES,
    MOST,
    STEP,
    PaceHistory,
    PaceSample,
    lanes_of,
    read_history,
    sample_of,
)
from lipsync_async.dispatch.pacing import Pacer
from lipsync_async.terms import Kind

BEGUN = 1_790_000_000.0
PAUSES = st.one_of(st.integers(0, 30), st.integers(0, 10_000_000))
"""Tenths of a second."""
SAYINGS = st.tuples(
    st.one_of(st.none(), st.sampled_from([0.02, 19.8, 250.0])),
    st.one_of(st.none(), st.integers(0, 100)),
    st.sampled_from(HELD),
    st.booleans(),
    st.booleans(),
)


@st.composite
def samples(draw: st.DrawFn, most: int = 3 * MOST) -> list[PaceSample]:
    """Samples in the order of their time; many runs of the same one make a long list cheap."""
    found: list[PaceSample] = []
    ticks = 17_900_000_000
    while len(found) < most and draw(st.booleans() if found else st.just(value=True)):
        pause, said = draw(PAUSES), draw(SAYINGS)
        for number in range(draw(st.sampled_from([1, 2, 3, MOST]))):
            ticks += pause
            found.append(PaceSample(ticks / 10, *said[:4], said[4] and not number))
    return found[:most]


def history_of(given: list[PaceSample]) -> PaceHistory:
    """All of them, one after the other."""
    history = PaceHistory()
    for sample in given:
        history.add(sample)
    return history


@given(samples())
def test_it_is_bounded_and_in_order_and_has_its_ends(given: list[PaceSample]) -> None:
    """Whatever comes; what is kept did come, and no step is wider than the room asks for."""
    history = PaceHistory()
    for number, sample in enumerate(given, 1):
        history.add(sample)
        kept = history.samples
        assert len(kept) <= MOST
        assert kept[0] == msgspec.structs.replace(given[0], first=True)
        assert (kept[-1].at, kept[-1].pace) == (sample.at, sample.pace)
        assert kept[-1].at - kept[0].at == history.span
        assert STEP <= history.step <= max(STEP, 2 * history.span / MOST)
        if number % MOST == 0 or number == len(given):
            assert all(earlier.at <= later.at for earlier, later in pairwise(kept))
            came = {msgspec.structs.replace(one, first=False) for one in given[:number]}
            assert {msgspec.structs.replace(one, first=False) for one in kept} <= came


@given(samples())
def test_it_is_the_same_after_it_was_written(given: list[PaceSample]) -> None:
    """To the last sample; and some kilobytes are enough for the longest."""
    history = history_of(given)
    written = history.to_bytes()
    read = read_history(written)
    assert (read.samples, read.step) == (history.samples, history.step)
    assert read.to_bytes() == written
    assert len(written) < 8_000
    assert read_history(PaceHistory().to_bytes()).samples == []


def test_a_full_one_takes_some_kilobytes() -> None:
    """No two samples alike, a pace of three figures, weeks of time."""
    history = history_of(
        [PaceSample(BEGUN + 30 * n, 19.8 + n % 7, n % 50, HELD[n % 6], found=True) for n in range(240)]
    )
    assert len(history.samples) == MOST
    assert 2_000 < len(history.to_bytes()) < 5_000


@given(samples(most=20), st.data())
def test_damaged_bytes_are_skipped(given: list[PaceSample], data: st.DataObject) -> None:
    """What cannot be read is no history; what can is one that can be used."""
    damaged = bytearray(history_of(given).to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for value in (bytes(damaged), bytes(damaged[:cut])):
        read = read_history(value)
        assert len(read.samples) <= MOST
        assert all(earlier.at <= later.at for earlier, later in pairwise(read.samples))
        assert all(one.pace is None or 0 < one.pace < math.inf for one in read.samples)
        read.add(PaceSample(BEGUN * 2))
        assert read.samples[-1].at == BEGUN * 2
        assert read_history(read.to_bytes()).samples == read.samples


def test_what_is_no_history() -> None:
    """Nothing, another form, figures that no pacer has, too many: an empty one each time."""
    row = [0, 5.0, 3, 1, 1]
    fine = {"step": 1.0, "begun": 10, "rows": [row]}
    assert len(read_history(msgspec.json.encode(fine)).samples) == 1
    odds: list[Any] = [
        {**fine, "rows": [row] * (MOST + 1)},
        {**fine, "step": 0.0},
        {**fine, "begun": -1},
        {**fine, "rows": [[-1, 5.0, 3, 1, 1]]},
        {**fine, "rows": [[0, -5.0, 3, 1, 1]]},
        {**fine, "rows": [[0, 5.0, 3]]},
        {"rows": [row]},
        [],
    ]
    for odd in odds:
        assert read_history(msgspec.json.encode(odd)).samples == []
    for value in (None, b"", b"\xff", b'{"step":1e999,"begun":0,"rows":[]}'):
        assert read_history(value).samples == []


def test_what_a_later_version_adds() -> None:
    """A field more is passed over, and what held is nothing that is known here."""
    value = msgspec.json.encode({"step": 1.0, "begun": 10, "rows": [[0, 5.0, 3, 99, 1, "more"]], "more": 1})
    assert read_history(value).samples == [PaceSample(1.0, 5.0, 3, "", found=True)]


def test_steady_samples_are_left_out() -> None:
    """Of those that say the same the first and the last are kept; another word begins anew."""
    steady = [PaceSample(BEGUN + n, 20.0, None, "rate", found=True) for n in range(50)]
    kept = history_of(steady).samples
    assert [one.at - BEGUN for one in kept] == [0, 49]
    lower = [PaceSample(BEGUN + n, 15.0, None, "rate", found=True) for n in range(50, 60)]
    kept = history_of([*steady, *lower]).samples
    assert [one.at - BEGUN for one in kept] == [0, 49, 50, 59]


def test_samples_that_come_too_soon_make_room() -> None:
    """For the newest, so that the end is never missing; one that is a step away stays."""
    kept = history_of([PaceSample(BEGUN + n / 4, float(n + 1)) for n in range(10)]).samples
    assert [one.at - BEGUN for one in kept] == [0, 1.0, 2.0, 2.25]
    kept = history_of([PaceSample(BEGUN + n, float(n + 1)) for n in range(5)]).samples
    assert [one.at - BEGUN for one in kept] == [0, 1, 2, 3, 4]


def test_a_long_run_and_many_short_ones() -> None:
    """Of a day a sample in some minutes; short runs that lie an hour apart are thinned as well."""
    day = PaceHistory()
    at = BEGUN
    while at < BEGUN + 86_400:
        day.add(PaceSample(at, at % 97))
        at += day.step
    assert MOST / 2 <= len(day.samples) <= MOST
    assert max(later.at - earlier.at for earlier, later in pairwise(day.samples)) < 86_400 / (MOST / 2) + day.step
    short = PaceHistory()
    for run in range(5_000):
        short.add(PaceSample(BEGUN + 3_600 * run, 5.0, first=True))
    assert len(short.samples) <= MOST
    assert short.step <= 2 * 3_600 * 5_000 / MOST
    assert all(one.first for one in short.samples)


def test_a_run_that_begins_is_not_thinned_away() -> None:
    """Where its first sample goes, the next one begins it."""
    first = [PaceSample(BEGUN + 2 * n, float(n + 1)) for n in range(101)]
    second = [PaceSample(BEGUN + 9_000 + 2 * n, float(n + 1), first=not n) for n in range(200)]
    history = history_of([*first, *second])
    assert len(history.samples) < MOST
    begun = [one.at - BEGUN for one in history.samples if one.first]
    assert begun[0] == 0
    assert len(begun) == 2
    assert 9_000 <= begun[1] <= 9_000 + 2 * history.step


def test_when_a_run_is_another_one() -> None:
    """At once where nothing is known, else after a pause."""
    history = PaceHistory()
    assert history.is_apart(BEGUN)
    history.add(PaceSample(BEGUN))
    assert not history.is_apart(BEGUN + APART)
    assert history.is_apart(BEGUN + APART + 0.1)
    history.step = 4 * APART
    assert not history.is_apart(BEGUN + 4 * APART)


def test_a_clock_that_was_ahead() -> None:
    """What it said is dropped, so that one day in the future does not end the history; its begin is kept."""
    history = history_of([PaceSample(BEGUN), PaceSample(BEGUN + 86_400, first=True), PaceSample(BEGUN + 86_402)])
    history.add(PaceSample(BEGUN + 5, 3.0))
    assert history.samples == [PaceSample(BEGUN, first=True), PaceSample(BEGUN + 5, 3.0, first=True)]
    history.add(PaceSample(BEGUN - 5, 4.0))
    assert history.samples == [PaceSample(BEGUN - 5, 4.0, first=True)]


def test_what_a_pacer_knows() -> None:
    """At first nothing; after a refusal a pace that answers to it; a ceiling that was told."""
    pacer = Pacer(Limits(max_running_tasks=20, initial_per_second=30.0))
    fresh = sample_of(BEGUN + 0.123, pacer.statistics(), "")
    assert fresh == PaceSample(BEGUN + 0.1, 30.0, 20)
    assert pacer.admit(1.0) == 0.0
    pacer.refused(1.5, 1.0, Kind.RATE, None)
    found = sample_of(BEGUN, pacer.statistics(), pacer.waiting_for(1.5), first=True)
    assert found.found
    assert found.first
    assert found.pace is not None
    assert found.pace < 30.0
    assert (found.held, sample_of(BEGUN, pacer.statistics(), "something new").held) == ("gate", "")
    free = sample_of(BEGUN, Pacer(Limits(initial_per_second=1e6)).statistics(), "")
    assert (free.pace, free.ceiling, free.found) == (None, None, False)
    told = Pacer(Limits(max_per_second=1e30, max_running_tasks=10**30)).statistics()
    history = history_of([sample_of(BEGUN, told, "")])
    assert read_history(history.to_bytes()).samples == history.samples == [PaceSample(BEGUN, first=True)]


@given(st.lists(samples(most=30), max_size=3 * LANES))
def test_several_processes(given: list[list[PaceSample]]) -> None:
    """Those that ran one after the other make one lane; each lane is in order, and lanes and samples are bounded."""
    lanes, left_out = lanes_of(map(history_of, given))
    assert len(lanes) <= LANES
    for lane in lanes:
        assert 0 < len(lane) <= MOST
        assert all(earlier.at <= later.at for earlier, later in pairwise(lane))
    assert bool(left_out) <= (len(lanes) == LANES)
    assert sum(map(bool, given)) >= len(lanes) + left_out


def test_lanes_in_numbers() -> None:
    """A thousand processes one after the other are one lane; too many at once are counted, and left out."""
    chain = [history_of([PaceSample(BEGUN + 60 * n, 5.0), PaceSample(BEGUN + 60 * n + 30, 6.0)]) for n in range(1_000)]
    lanes, left_out = lanes_of(chain)
    assert (len(lanes), left_out) == (1, 0)
    assert (lanes[0][0].at, lanes[0][-1].at) == (BEGUN, BEGUN + 60 * 999 + 30)
    crowd = [history_of([PaceSample(BEGUN, 5.0), PaceSample(BEGUN + 30, 6.0)]) for _ in range(LANES + 3)]
    lanes, left_out = lanes_of(crowd)
    assert (len(lanes), left_out) == (LANES, 3)
