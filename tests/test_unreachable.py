"""Why a server was not reached, in words."""

from __future__ import annotations

import errno
import socket

import pytest

from lipsync_async.unreachable import in_question, why_unreachable

REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
BOTH = f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] Connect call failed ('::1', 1, 0, 0), "
BOTH += f"[Errno {errno.ECONNREFUSED}] Connect call failed ('127.0.0.1', 1)"


@pytest.mark.parametrize(
    ("error", "why", "asked"),
    [
        (REFUSED, "connection refused", "connection refused; is Redis running there?"),
        (OSError(BOTH), "connection refused", "connection refused; is Redis running there?"),
        (socket.gaierror(-2, "Name or service not known"), "no such host is known", "no such host is known"),
        (TimeoutError(), "it did not answer in time", "it did not answer in time"),
        (OSError("[Errno 111] one, [Errno 113] other"), "[Errno 111] one, [Errno 113] other", None),
        (OSError("odd"), "odd", "odd; is Redis running there?"),
        (OSError(), "OSError", "OSError; is Redis running there?"),
    ],
)
def test_it_is_told_in_the_systems_words(error: OSError, why: str, asked: str | None) -> None:
    """And whether the server runs is asked where it may not."""
    assert why_unreachable(error) == why
    assert asked in {None, in_question(error, "Redis")}
