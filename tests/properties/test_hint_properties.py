"""Hints are seconds that can be waited for, whatever stands in the headers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from lipsync_async.wire.hints import MAX_HINT, read_hint

NUMBERS = st.one_of(
    st.integers(-5, 10**18).map(str),
    st.floats().map(str),
    st.text(max_size=12),
    st.just("Fri, 27 Nov 2026 07:28:00 GMT"),
)
DURATIONS = st.lists(
    st.tuples(st.integers(0, 10**16), st.sampled_from(["ms", "s", "m", "h", "d", "x"])), min_size=1, max_size=4
).map(lambda parts: "".join(f"{count}{unit}" for count, unit in parts))
NAMES = st.sampled_from(
    ["Retry-After", "retry-after-ms", "x-ratelimit-reset", "X-RateLimit-Reset-Tokens", "x-ratelimit-remaining", "Date"]
)
HEADERS = st.dictionaries(NAMES, NUMBERS | DURATIONS).map(CIMultiDict)
BODIES = st.lists(st.fixed_dictionaries({"retry_after": st.none() | st.floats() | st.integers() | NUMBERS}), max_size=3)
STATUSES = st.sampled_from([200, 400, 429, 503])


@given(STATUSES, HEADERS, BODIES, st.none() | st.floats(0, 2e9))
def test_a_hint_is_none_or_can_be_waited_for(
    status: int, headers: CIMultiDict[str], bodies: list[dict[str, object]], now: float | None
) -> None:
    """More than zero, and finite."""
    hint = read_hint(status, headers, bodies, now)
    assert hint is None or 0 < hint < MAX_HINT


@given(st.integers(1, 10**14), st.floats(1e9, 4e9))
def test_seconds_are_seconds_whatever_the_time(seconds: int, now: float) -> None:
    """A Retry-After in figures needs no clock, however absurd it is."""
    assert read_hint(429, CIMultiDict({"Retry-After": str(seconds)}), now=now) == seconds


@given(st.integers(0, 23), st.integers(0, 59), st.integers(1, 59), st.integers(0, 999))
def test_durations_are_read_as_go_prints_them(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    """Each part counts with its unit."""
    told = f"{hours}h{minutes}m{seconds}.{milliseconds:03}s"
    hint = read_hint(429, CIMultiDict({"x-ratelimit-reset": told}))
    assert hint is not None
    assert abs(hint - (hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)) < 1e-6


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_the_gateways_clock_may_be_off(wait: int, error: int) -> None:
    """A moment is measured against the reply's own date, so that no error of a clock moves it."""
    date = "Fri, 27 Nov 2026 07:28:00 GMT"
    moment = 1795764480 + wait
    for name in ("x-ratelimit-reset", "X-Ratelimit-Reset-Requests"):
        hint = read_hint(429, CIMultiDict({name: str(moment), "Date": date}), now=1795764480.0 + error)
        assert hint == (wait if wait > 0 else None)
