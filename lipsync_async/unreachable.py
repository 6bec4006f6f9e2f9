"""Why a server was not reached, in a few words for people."""

from __future__ import annotations

import os
import re
import socket

_NUMBER = re.compile(r"\[Errno (\d+)\]")


def why_unreachable(error: OSError) -> str:
    """`connection refused`, `no such host is known`; the error's own text where the system has no word for it."""
    if isinstance(error, socket.gaierror):
        return "no such host is known"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    # A name with several addresses: asyncio puts the errors of all into one text.
    numbers = set(_NUMBER.findall(str(error)))
    if len(numbers) == 1:
        return os.strerror(int(numbers.pop())).lower()
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__


def in_question(error: OSError, what: str) -> str:
    """`connection refused; is Redis running there?`; without the question where that is not in doubt."""
    why = why_unreachable(error)
    asks = not isinstance(error, socket.gaierror | TimeoutError)
    return f"{why}; is {what} running there?" if asks else why
