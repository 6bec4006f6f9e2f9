"""Counts over time, in a bounded number of spans."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from lipsync_async.report.charts import running_tasks
from lipsync_async.report.facts import ENDED, NEVER_RAN, SUBMITTED
from lipsync_async.report.timeline import MOST, STEPS, Timeline

MOMENTS = st.lists(st.floats(86_401, 4_102_444_799, allow_nan=False), min_size=1, max_size=50)


@given(MOMENTS)
@example([86_401.0, 4_102_444_799.0])
@example([1.79e9, 1.79e9 + MOST - 1])
@example([1.79e9, 1.79e9 + MOST])
def test_every_moment_is_in_its_span(moments: list[float]) -> None:
    """None is lost, whatever time they cover, and the spans are as narrow as the room allows."""
    timeline = Timeline(1)
    for moment in moments:
        timeline.add(0, moment)
    step, counts = timeline.step, timeline.counts(0)
    expected = [0] * len(counts)
    for moment in moments:
        expected[int((moment - timeline.begin) // step)] += 1
    assert counts == expected
    assert len(counts) <= MOST
    assert counts[0]
    assert counts[-1]
    narrower = STEPS[STEPS.index(step) - 1]
    assert step == 1 or int(max(moments) // narrower) - int(min(moments) // narrower) >= MOST


def test_series_share_their_spans() -> None:
    """What belongs together in time stands one below the other."""
    timeline = Timeline(2)
    assert not timeline
    assert timeline.counts(0) == []
    timeline.add(0, 1_790_000_000.0)
    timeline.add(1, 1_790_000_003.0)
    assert timeline.counts(0) == [1, 0, 0, 0]
    assert timeline.counts(1) == [0, 0, 0, 1]


def test_what_no_calendar_has_is_left_out() -> None:
    """A clock that is wrong makes no bar."""
    timeline = Timeline(1)
    for moment in (None, 0.0, -1.0, float("nan"), float("inf"), 1e300):
        timeline.add(0, moment)
    assert not timeline


def test_each_step_is_a_multiple_of_the_one_before() -> None:
    """Only so can spans be put together; and the widest cover all that is believed."""
    assert all(wide % narrow == 0 for narrow, wide in pairwise(STEPS))
    assert 4_102_444_800 / STEPS[-1] < MOST


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 120), st.booleans()), max_size=60))
def test_running_tasks_are_what_was_submitted_less_what_ended(jobs: list[tuple[int, int, bool]]) -> None:
    """At the end of each span; what never ran is no task, and in the end none is left."""
    timeline = Timeline(4)
    for begun, lasted, ran in jobs:
        timeline.add(SUBMITTED, 1_790_000_000.0 + begun)
        timeline.add(ENDED if ran else NEVER_RAN, 1_790_000_000.0 + begun + (lasted if ran else 0))
    levels = running_tasks(timeline)
    for span, level in enumerate(levels):
        end = timeline.begin + (span + 1) * timeline.step - 1_790_000_000
        assert level == sum(ran and begun < end <= begun + lasted for begun, lasted, ran in jobs)
    assert not levels or levels[-1] == 0


def test_an_end_before_its_submit_takes_nothing_from_others() -> None:
    """The gateway's clock may be ahead of ours: never fewer than none run."""
    timeline = Timeline(4)
    timeline.add(ENDED, 1_790_000_000.0)
    timeline.add(SUBMITTED, 1_790_000_010.0)
    assert running_tasks(timeline) == [0] * timeline.spans
