"""What a caller hands in: wrong arguments are told in plain words, and numbers of other libraries are taken."""

from __future__ import annotations

import math
from fractions import Fraction
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async import (
    Following,
    InvalidRequestError,
    Limits,
    LipSyncClient,
    LipSyncError,
    RequestBuilder,
    RetryPolicy,
    RunOptions,
    Timeouts,
    WrongArgumentError,
)
from lipsync_async.given import expect_jobs, id_given, no_request, plain_number, shown, whole

BUILDER = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000)


class Number:
    """A number of another library, as numpy's are: registered as one, and no `int` or `float`."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __trunc__(self) -> int:
        return int(self.value)


class Whole(Number):
    """A whole one."""


class Fractional(Number):
    """One that may have a fraction."""


Integral.register(Whole)
Real.register(Fractional)


@given(st.integers())
def test_a_whole_number_of_any_kind_is_an_int(number: int) -> None:
    """Python's own stays what it is; a float stands for a whole number where it is one."""
    assert whole(number) is number
    for other in (Whole(number), Fraction(number)):
        assert (type(whole(other)), whole(other)) == (int, number)
    if abs(number) < 2**53:
        assert (type(whole(float(number))), whole(float(number))) == (int, number)


@given(st.one_of(st.floats().filter(lambda value: not value.is_integer()), st.text(), st.none(), st.booleans()))
def test_what_is_no_whole_number_stays_for_a_rule_to_refuse(value: Any) -> None:
    """A text, a fraction, None, True: nothing is guessed."""
    assert whole(value) is value


def test_a_number_of_another_library_is_one_of_pythons() -> None:
    """Whole ones are ints, others floats; a text stays a text."""
    assert (plain_number(Whole(2)), plain_number(Fractional(0.5)), plain_number("1")) == (2, 0.5, "1")
    assert [type(plain_number(one)) for one in (Whole(2), Fractional(0.5))] == [int, float]


def test_a_request_takes_whole_floats_and_numbers_of_other_libraries() -> None:
    """It is the same request as one that is made of ints; a fraction and a text are none."""
    plain = BUILDER.window(100, 5000, 7).volume(1, 0).build()
    assert BUILDER.window(Whole(100), 5000.0, Whole(7)).volume(Whole(1), Whole(0)).build() == plain  # type: ignore[arg-type]
    for wrong in (5000.5, "5000", True):
        with pytest.raises(InvalidRequestError, match="must be whole milliseconds, not"):
            BUILDER.window(0, wrong).build()  # type: ignore[arg-type]


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (Limits, {"max_in_flight": "4"}, "Limits.max_in_flight must be a whole number from 1, not the text '4'"),
    (Limits, {"max_in_flight": 0}, "Limits.max_in_flight must be a whole number from 1, not 0"),
    (Limits, {"max_in_flight": True}, "Limits.max_in_flight must be a whole number from 1, not True"),
    (Limits, {"max_running_tasks": 4.5}, "Limits.max_running_tasks must be a whole number from 1, not 4.5"),
    (Limits, {"max_per_second": "5"}, "Limits.max_per_second must be a number above 0, or None, not the text '5'"),
    (Timeouts, {"total": None}, "Timeouts.total must be a number above 0, not None"),
    (RetryPolicy, {"max_outage": math.nan}, "RetryPolicy.max_outage must be a number above 0, not nan"),
    (Following, {"first_look": -1}, "Following.first_look must be a number from 0, or None, not -1"),
    (
        RunOptions,
        {"ambiguous": "look-up"},
        "RunOptions.ambiguous must be 'lookup', 'report' or 'resend', not the text 'look-up'",
    ),
    (
        LipSyncClient,
        {"gateway": "kling", "limits": {"max_in_flight": 4}},
        "limits must be a Limits, not a dict: write limits=Limits(...)",
    ),
    (
        LipSyncClient,
        {"gateway": 5},
        "gateway must be one of chainhub, anyapi, kling, a base URL or a Gateway, not 5",
    ),
    (
        LipSyncClient,
        {"gateway": "kling", "api_key": 5},
        "api_key must be a text, or a function that returns one, not of the type int",
    ),
]


@pytest.mark.parametrize(("make", "values", "told"), WRONG)
def test_a_wrong_setting_says_what_it_must_be(make: Any, values: dict[str, Any], told: str) -> None:
    """It is one of the library's own errors, and what Python raises for such a thing."""
    with pytest.raises(WrongArgumentError) as caught:
        make(**values)
    assert str(caught.value) == told
    assert isinstance(caught.value, LipSyncError)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_whole_floats_and_numbers_of_other_libraries_are_settings() -> None:
    """They come out as ints."""
    made = Limits(max_in_flight=Whole(4), max_running_tasks=6.0, max_per_second=Whole(5))
    assert made == Limits(max_in_flight=4, max_running_tasks=6, max_per_second=5)
    assert type(made.max_in_flight) is int


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        (None, "not None"),
        ("jobs.jsonl", "not the text 'jobs.jsonl': JobList.open(path)"),
        (Path("jobs.jsonl"), "JobList.open(path)"),
        ({"a": BUILDER.build()}, "not a dict: give its values, jobs.values()"),
        (BUILDER.build(), "not one request: write [request], or use submit(request)"),
        (BUILDER, "not a RequestBuilder: call build() on it"),
        (no_request, "not a function: call it"),
        (b"jobs", "not a bytes"),
        (5, "not 5"),
    ],
)
def test_what_is_no_list_is_told_with_what_to_write(jobs: object, told: str) -> None:
    """Before anything is sent."""
    with pytest.raises(WrongArgumentError) as caught:
        expect_jobs(jobs)
    assert str(caught.value).startswith("jobs must be a list of requests, ")
    assert told in str(caught.value)


@pytest.mark.parametrize("jobs", [[], (), [BUILDER.build()], iter([]), {1: 2}.values(), (one for one in "")])
def test_what_can_be_gone_through_is_a_list(jobs: object) -> None:
    """Whatever its type; what is in it is looked at later."""
    expect_jobs(jobs)


def test_what_is_no_request_is_told_with_its_cure() -> None:
    """A builder, a dict and a list are the likely slips; a bound method is nobody's id."""
    assert no_request(BUILDER).endswith("call build() on it")
    assert no_request({}).endswith("not a dict: RequestBuilder makes one")
    assert no_request([]).endswith("submit_many takes a list")
    assert no_request(None) == "a job must be a LipSyncRequest, not None"
    assert id_given(BUILDER) is None
    assert id_given(BUILDER.external_task_id("a").build()) == "a"


@given(st.one_of(st.integers(), st.text(), st.floats(), st.binary(), st.none(), st.lists(st.integers())))
def test_a_value_is_shown_in_short(value: object) -> None:
    """Never longer than a line, whatever it is."""
    assert 0 < len(shown(value)) <= 600
    assert "\n" not in shown(value)


def test_a_huge_number_is_shown_too() -> None:
    """Its own repr would raise."""
    assert shown(10**5000) == "an int"
