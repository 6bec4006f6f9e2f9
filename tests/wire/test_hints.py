"""How long a refusal asks to wait: which places count, in which order, and what is no hint."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from lipsync_async.wire import read_reply
from lipsync_async.wire.hints import read_hint
from tests.wire.helpers import headers, reply

NOW = 1_800_000_000.0


def date(offset: float) -> str:
    """A moment before or after `NOW`, as a header tells it."""
    return format_datetime(datetime.fromtimestamp(NOW + offset, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", None),
        ("0.0", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("86400", 86400.0),
        ("1000000000000", 1e12),
        (date(90), 90.0),
        (date(0), None),
        (date(-90), None),
        (date(90).replace(" GMT", ""), 90.0),
        ("-7", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("٣", None),
        ("9" * 16, None),
        ("Fri, 99 Foo 9999999999999999 99:99:99 GMT", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
@pytest.mark.parametrize("body", [b"", b'{"code":1302}'])
def test_retry_after(value: str, seconds: float | None, body: bytes) -> None:
    """Both forms of the header are read; what makes no sense, zero and the past are no hint."""
    read = read_reply(429, headers({"retry-after": value}), body, now=NOW)
    assert read.retry_after == seconds


def test_a_date_needs_a_clock() -> None:
    """A date says nothing to one who does not know the time."""
    assert read_reply(429, headers({"Retry-After": date(90)}), b"").retry_after is None


@pytest.mark.parametrize("ours", [None, NOW - 7200, NOW, NOW + 7200])
def test_a_date_is_measured_against_the_replys_own(ours: float | None) -> None:
    """The gateway's clock may be two hours off: the difference of its own two dates counts."""
    said = headers({"Retry-After": date(90), "Date": date(0)})
    assert read_hint(429, said, now=ours) == 90.0
    assert read_hint(429, headers({"Retry-After": date(-1), "Date": date(0)}), now=ours) is None


@pytest.mark.parametrize("odd", ["", "yesterday", "0"])
def test_a_date_that_is_none_leaves_our_own_clock(odd: str) -> None:
    """Better than no hint at all."""
    assert read_hint(429, headers({"Retry-After": date(90), "Date": odd}), now=NOW) == 90.0


@pytest.mark.parametrize(
    ("value", "seconds"), [("1500", 1.5), ("0", None), ("1", 0.001), ("soon", None), ("-5", None), ("9" * 16, None)]
)
def test_milliseconds(value: str, seconds: float | None) -> None:
    """`retry-after-ms` is a thousandth."""
    assert read_hint(429, headers({"retry-after-ms": value})) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        ("0.5", 0.5),
        ("0", None),
        ("1m2.5s", 62.5),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h", 3600.0),
        ("1d2h3m4s", 93784.0),
        ("0s", None),
        (f"{NOW + 45:.0f}", 45.0),
        (f"{(NOW + 45) * 1000:.0f}", 45.0),
        (f"{NOW - 45:.0f}", None),
        ("999999999", 999999999.0),
        ("tomorrow", None),
        ("1m2", None),
        ("-3s", None),
        ("s", None),
        ("9" * 15 + "d", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("name", ["x-ratelimit-reset", "X-RateLimit-Reset-Requests"])
def test_resets(name: str, value: str, seconds: float | None) -> None:
    """Seconds, a duration, or a moment from 1e9 on."""
    found = read_hint(429, headers({name: value, "Date": date(0)}), now=NOW + 9999)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_of_several_limits_the_one_that_is_used_up_counts() -> None:
    """Where it is told which; else the longest, for a hint is not undercut."""
    both = {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}
    assert read_hint(429, headers(both)) == 360.0
    told = {**both, "x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "149984"}
    assert read_hint(429, headers(told)) == 1.0


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"code": 1302, "retry_after": 7}, 7.0),
        ({"code": 1302, "retry_after": "7.5"}, 7.5),
        ({"code": 1302, "retry_after": "1m2.5s"}, 62.5),
        ({"error": {"code": 1302, "retry_after": 7}}, 7.0),
        ({"code": "x", "message": '{"code":1302,"retry_after":7}'}, 7.0),
        ({"code": 1302, "data": {"retry_after": 3, "data": {"retry_after": 7}}}, 7.0),
        ({"code": 1302, "retry_after": 0}, None),
        ({"code": 1302, "retry_after": -7}, None),
        ({"code": 1302, "retry_after": True}, None),
        ({"code": 1302, "retry_after": "soon"}, None),
        ({"code": 1302, "retry_after": [7]}, None),
        ({"code": 1302, "retry_after": 10**12}, 1e12),
        ({"code": 1302, "retry_after": 10**400}, None),
    ],
)
def test_in_the_body(body: object, seconds: float | None) -> None:
    """`retry_after` counts in any layer."""
    assert reply(body, 429).retry_after == seconds


def test_the_most_exact_place_is_believed() -> None:
    """Milliseconds, then seconds, then the body; last what is sent along with every reply."""
    values, body = {"retry-after-ms": "3500", "Retry-After": "4", "x-ratelimit-reset": "60"}, [{"retry_after": 9}]
    assert read_hint(429, headers(values), body) == 3.5
    del values["retry-after-ms"]
    assert read_hint(429, headers(values), body) == 4.0
    del values["Retry-After"]
    assert read_hint(429, headers(values), body) == 9.0
    assert read_hint(429, headers(values)) == 60.0
    assert read_hint(429, headers({"Retry-After": "0", "x-ratelimit-reset": "60"})) == 60.0


@pytest.mark.parametrize("status", [200, 201, 299])
def test_a_success_asks_for_nothing(status: int) -> None:
    """An accepted job has nothing to wait for, and a limit that is not reached is no hint."""
    said = headers({"Retry-After": "9", "x-ratelimit-reset": "60"})
    assert read_reply(status, said, b'{"task_id":"A","retry_after":5}').retry_after is None
    assert read_reply(status, said, b'{"code":1302}').retry_after == 9.0


def test_trouble_is_no_refusal() -> None:
    """On a 5xx the limits that stand on every reply mean nothing; a word about this reply does."""
    assert read_hint(503, headers({"x-ratelimit-reset": "60"})) is None
    assert read_hint(503, headers({"Retry-After": "60"})) == 60.0
    assert read_reply(503, headers({"Retry-After": "60"}), b'{"code":0}').retry_after == 60.0
