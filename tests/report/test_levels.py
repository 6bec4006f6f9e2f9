"""What the pacer had learned, span by span: the lines, the figures and the sentence of a report."""

from __future__ import annotations

import re
import shutil
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.dispatch.pacebook import PACES
from lipsync_async.dispatch.paces import HELD, LANES, PaceHistory, PaceSample
from lipsync_async.journal import Entry, Reader, State, Store
from lipsync_async.journal.entries import to_row
from lipsync_async.report.charts import learned
from lipsync_async.report.gathering import gather
from lipsync_async.report.levels import Paces, in_words, paces_of
from lipsync_async.report.timeline import MOST, Timeline
from tests.journal.data import make_schema_1
from tests.report import batches
from tests.report.batches import BEGUN, GATEWAY, put, record
from tests.report.reading import Parsed, in_memory, make_schema_2, page_of


def sample(second: float, pace: float | None = None, ceiling: int | None = None, **values: object) -> PaceSample:
    """So many seconds after the begin."""
    return PaceSample(BEGUN + second, pace, ceiling, **values)  # type: ignore[arg-type]


def paces(*lanes: list[PaceSample]) -> Paces:
    """As they are read, each a client's."""
    return paces_of(PaceHistory(lane) for lane in lanes)


def covering(some: Paces, seconds: float = 0.0) -> Timeline:
    """A timeline that reaches as far as they do, and so many seconds from the begin."""
    timeline = Timeline(4)
    timeline.cover(BEGUN)
    timeline.cover(BEGUN + seconds)
    some.cover(timeline)
    return timeline


LANE = st.lists(
    st.tuples(st.integers(1, 900), st.one_of(st.none(), st.integers(1, 50)), st.booleans()), min_size=1, max_size=20
)


@given(LANE, st.integers(0, 3_000))
def test_each_span_tells_what_held_at_its_end(given_: list[tuple[int, int | None, bool]], seconds: int) -> None:
    """The last sample before it in the same run; after a run's last sample nothing, but in its own span."""
    at, lane = 0, list[PaceSample]()
    for after, ceiling, first in given_:
        at += after
        lane.append(sample(at, ceiling=ceiling, first=first or not lane))
    some = Paces((tuple(lane),))
    timeline = covering(some, seconds)
    levels = some.ceiling_over(timeline)
    assert len(levels) == timeline.spans <= MOST
    for span, level in enumerate(levels):
        begin, end = (timeline.begin + (span + more) * timeline.step for more in (0, 1))
        before = [one for one in lane if one.at < end]
        later = lane[len(before)] if len(before) < len(lane) else None
        is_over = not before or (before[-1].at < begin and (later is None or later.first))
        assert level == (None if is_over else before[-1].ceiling)


def test_a_run_that_ends_where_the_next_begins() -> None:
    """Of one span the later run tells its end."""
    some = Paces(((sample(0, ceiling=9), sample(0.4, ceiling=3, first=True), sample(2, ceiling=4)),))
    assert some.ceiling_over(covering(some)) == [3, 3, 4]


def test_of_several_clients_the_greatest_counts() -> None:
    """In each span, among those that know something."""
    some = paces(
        [sample(0, 5.0, 10, found=True), sample(4, 6.0, None, found=True)],
        [sample(0, 7.0, found=True), sample(2, 4.0, found=True), sample(4)],
        [sample(0, 99.0), sample(1, None, 3)],
    )
    timeline = covering(some)
    assert some.pace_over(timeline) == [7.0, 7.0, 5.0, 5.0, 6.0]
    assert some.ceiling_over(timeline) == [10, 10, 10, 10, None]


def test_what_was_found_is_what_held_of_late() -> None:
    """Neither the first guess, nor a try that was short, nor what refusals have not shown."""
    search = [sample(n / 10, 80.0 - n, found=True) for n in range(50)]
    steady = [sample(6, 19.8, 20, found=True), sample(60, 19.8, 20, found=True)]
    tries = [sample(61 + n / 5, 21.4 + n, 21, found=True) for n in range(10)]
    some = paces([*search, *steady, *tries])
    assert (some.found, some.ceiling) == (19.8, 20)
    late = [(9, 30.0), (12, 10.0), (14, 20.0), (18, 20.0)]  # for 3, 2 and 4 seconds
    assert paces([sample(0, 50.0, found=True), *(sample(at, pace, found=True) for at, pace in late)]).found == 20.0
    assert paces([sample(0, 40.0), sample(9, 44.0)]).found is None
    assert paces([sample(0, 4.0, found=True)], [sample(0, 9.0, found=True)]).found == 9.0


NO_PACE, NO_TASKS = "no limit of the pace was met", "no limit of running tasks was met"


@pytest.mark.parametrize(
    ("lane", "told"),
    [
        ([], ""),
        ([sample(0)], f"{NO_PACE}; {NO_TASKS}"),
        ([sample(0, 40.0)], f"{NO_PACE}; {NO_TASKS}"),
        ([sample(0, 19.8, 20, found=True)], "the pace was found at 19.8 a second; at most 20 tasks may run at once"),
        ([sample(0, 0.05, 1, found=True)], "the pace was found at 0.05 a second; at most 1 task may run at once"),
        ([sample(0, 1234.0, found=True)], f"the pace was found at 1,230 a second; {NO_TASKS}"),
    ],
)
def test_the_sentence(lane: list[PaceSample], told: str) -> None:
    """Found, met or neither."""
    assert in_words(paces(lane)) == told


def test_what_held_requests_back() -> None:
    """By the time for which it did; the pause between two runs is nobody's."""
    lane = [
        sample(0, held="rate"),
        sample(60, held="running tasks"),
        sample(90, held=""),
        sample(100, held="gate"),
        sample(5_000, held="rate", first=True),
    ]
    shares = dict(paces(lane).held())
    assert list(shares) == ["rate", "running tasks", "gate"]
    assert shares["rate"] == pytest.approx(0.6, abs=0.01)
    assert shares["running tasks"] == pytest.approx(0.3, abs=0.01)
    assert shares["gate"] < 0.01
    with in_memory() as store:
        batches.paces(store, lane)
        page = page_of(store)
    assert "What requests waited for: the pace for 60% of the time, a running task's end for 30% of the time." in page


def test_a_sample_that_no_calendar_has_is_left_out() -> None:
    """A clock that is wrong makes no line."""
    assert not paces([PaceSample(3.0, 5.0)])
    some = paces([PaceSample(3.0, 5.0, found=True), sample(0, 6.0, found=True)])
    assert covering(some).spans == 1
    assert some.found == 6.0


# --- the picture -----------------------------------------------------------------------------------------------------


def test_the_lines() -> None:
    """Steps over the spans; what follows another one is joined to it, and where nothing was known there is none."""
    some = paces([sample(0, 10.0, found=True), sample(2, 20.0, found=True), sample(4), sample(6, 5.0, found=True)])
    drawn = learned(covering(some), some, UTC)
    assert re.findall(r'<path d="([^"]*)"/>', drawn) == ["M0 21.0H2V2.0H4M6 30.5H7"]
    assert re.findall(r'<rect x="(\d+)" y="([\d.]+)" width="(\d+)"', drawn) == [
        ("0", "21.0", "2"),
        ("2", "2.0", "2"),
        ("6", "30.5", "1"),
    ]
    assert "<title>14:13:20: 10 a second</title>" in drawn
    assert 'class="level good"' in drawn
    assert "there is no line before a refusal showed it" in drawn
    assert "running tasks" not in drawn


def test_a_first_guess_is_no_line() -> None:
    """A pace that nothing has refused may never have been used, and would hide the one that was found."""
    some = paces([sample(0, 400.0), *(sample(n, 20.0, 7, found=True) for n in range(1, 9))])
    drawn = learned(covering(some), some, UTC)
    assert re.findall(r'<path d="([^"]*)"/>', drawn) == ["M1 2.0H9", "M1 2.0H9"]
    assert "400" not in drawn
    assert "up to 20 a second" in drawn
    assert "up to 7 at once; there is no line before one was known" in drawn
    assert 'class="level idle"' in drawn
    assert learned(covering(some), paces([sample(0, 400.0)]), UTC) == ""


def test_the_lines_have_the_time_of_the_bars() -> None:
    """Also where they reach further; and the page says in a sentence what they show."""
    with in_memory() as store:
        job = record("a", State.ACCEPTED, task_id="1", last_intent_at=BEGUN + 10)
        put(store, [job])
        batches.paces(store, [sample(0, 19.8, 20, found=True), sample(30, 19.8, 20, found=True)])
        facts = gather(store)
        page = page_of(store)
    assert (facts.timeline.begin, facts.timeline.spans) == (BEGUN, 31)
    boxes = re.findall(r'<svg class="(?:bars|level) \w+" viewBox="0 0 (\d+) 40"', page)
    assert boxes == ["31", "31", "31"]
    assert "<p>The pace was found at 19.8 a second; at most 20 tasks may run at once. What" not in page
    assert "<p>The pace was found at 19.8 a second; at most 20 tasks may run at once.</p>" in page


def test_several_clients_are_told() -> None:
    """With how many there were, however many are drawn."""
    with in_memory() as store:
        batches.paces(store, *([sample(0, 5.0, found=True), sample(9, 5.0, found=True)] for _ in range(LANES + 2)))
        assert len(gather(store).paces.lanes) == LANES
        page = page_of(store)
    assert f" {LANES + 2} clients sent: " in page


@given(st.lists(st.tuples(st.floats(0.001, 1e6), st.integers(0, 10**9), st.sampled_from(HELD)), max_size=300))
def test_whatever_was_learned_the_page_is_small(given_: list[tuple[float, int, str]]) -> None:
    """Every figure that a journal can hold has its page."""
    with in_memory() as store:
        lane = [sample(7 * n, pace, most, held=held, found=bool(n % 3)) for n, (pace, most, held) in enumerate(given_)]
        batches.paces(store, lane)
        page = page_of(store)
    assert len(page.encode()) < 60_000
    assert Parsed(page).tags["path"] <= 2


# --- journals --------------------------------------------------------------------------------------------------------


def test_a_journal_without_samples_shows_none(tmp_path: Path) -> None:
    """One of an earlier version, or one of which nobody wrote: the page is as it was before there were any."""
    path = tmp_path / "run.db"
    shutil.copy(make_schema_1.PATH, path)
    with Reader(path) as reader:
        pages = [page_of(reader)]
    with in_memory() as store:
        put(store, [record("a", State.ACCEPTED, task_id="1", last_intent_at=BEGUN)])
        assert not gather(store).paces
        pages.append(page_of(store))
    for page in pages:
        content = page.partition("</style>")[2]
        assert "<path" not in content
        assert "Learned" not in content
        assert "limit of" not in content
        assert "pace" not in content


def test_an_older_journal_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is migrated when it is opened for writing, and has samples from then on."""
    path = tmp_path / "run.db"
    with monkeypatch.context() as patched:
        make_schema_2(patched)
        with Store(path, gateway=GATEWAY) as store:
            store.write([record("a", State.ACCEPTED, task_id="1", last_intent_at=BEGUN)])
    with Reader(path) as reader:
        assert not gather(reader).paces
    with Store(path, gateway=GATEWAY) as store:
        batches.paces(store, [sample(0, 5.0, found=True)])
    with Reader(path) as reader:
        assert gather(reader).paces.found == 5.0


def test_what_cannot_be_read_is_no_line() -> None:
    """Of a later version, say; the others' lines are there."""
    with in_memory() as store:
        batches.paces(store, [sample(0, 5.0, found=True)])
        store.keep([to_row(Entry(kind=PACES, name="\x01else", state="", value=b"\x00{}"))])
        assert gather(store).paces.found == 5.0
