"""How long a refusal asks to wait."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from lipsync_async.wire import read_reply
from tests.wire.helpers import (
    headers,
)

NOW = 1_800_000_000.0
LATER = format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)
BEFORE = format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("86400", 86400.0),
        (LATER, 90.0),
        (BEFORE, 0.0),
        (LATER.replace(" GMT", ""), 90.0),
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
    """Both forms of the header are read, and what makes no sense is not there."""
    read = read_reply(429, headers({"retry-after": value}), body, now=NOW)
    assert read.retry_after == seconds


def test_retry_after_date_needs_a_clock() -> None:
    """A date says nothing to one who does not know the time."""
    assert read_reply(429, headers({"Retry-After": LATER}), b"").retry_after is None
