"""How long a refusal asks to wait: in its headers or in its body (contract, section 4, last paragraph).

Zero, or a moment that has passed, is no hint.
A date is measured against the reply's own `Date`, for clocks differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from email.utils import mktime_tz, parsedate_tz

from . import texts

MAX_HINT = 1e15
"""Seconds; what is not less is nonsense."""
_FIGURE = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,15})?")
_DURATION = re.compile(r"(?:[0-9]{1,15}(?:\.[0-9]{1,15})?(?:ns|us|µs|μs|ms|s|m|h|d)){1,9}")
_PART = re.compile(r"([0-9.]+)([a-zµμ]+)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RESET = "x-ratelimit-reset"
_REMAINING = "x-ratelimit-remaining"


def read_hint(
    status: int, headers: Mapping[str, str], objects: Iterable[Mapping[str, object]] = (), now: float | None = None
) -> float | None:
    """Seconds to wait, more than zero; None: nothing is asked.

    `headers` looks names up whatever their case; `objects` are those of the body, of all layers.
    `now`, in Unix seconds, stands in for a missing `Date`; without either a date is not understood.
    """
    date = _date(headers.get("Date", ""))
    if date is None:
        date = now
    for seconds in _told(status, headers, objects, date):
        if seconds is not None and 0 < seconds < MAX_HINT:
            return seconds
    return None


def _told(
    status: int, headers: Mapping[str, str], objects: Iterable[Mapping[str, object]], date: float | None
) -> Iterator[float | None]:
    """What each place says, the most exact place first."""
    yield _scaled(_figure(headers.get("Retry-After-Ms", "")), 1e-3)
    yield _retry_after(headers.get("Retry-After", "").strip(), date)
    yield max(filter(None, (_in_body(it.get("retry_after")) for it in objects)), default=None)
    if status < 500:  # they stand on every reply of some gateways; only a refusal means them
        yield _reset(headers, date)


def _retry_after(value: str, date: float | None) -> float | None:
    figure = _figure(value)
    return figure if figure is not None else _until(_date(value), date)


def _in_body(value: object) -> float | None:
    """A number of seconds, or a duration."""
    return texts.number(value) or (_duration(value) if isinstance(value, str) else None)


def _reset(headers: Mapping[str, str], date: float | None) -> float | None:
    """The longest of the limits that are used up, as far as it is told which are."""
    named = {name.lower(): value.strip() for name, value in headers.items()}
    waits = [
        _until_reset(value, date)
        for name, value in named.items()
        if name.startswith(_RESET) and not _figure(named.get(_REMAINING + name.removeprefix(_RESET), ""))
    ]
    return max(filter(None, waits), default=None)


def _until_reset(value: str, date: float | None) -> float | None:
    """From a number of seconds, a duration, or a moment in Unix seconds or milliseconds."""
    figure = _figure(value)
    if figure is None:
        return _duration(value)
    if figure < 1e9:
        return figure
    return _until(figure / 1000 if figure >= 1e12 else figure, date)


def _until(moment: float | None, date: float | None) -> float | None:
    return None if moment is None or date is None else moment - date


def _figure(value: str) -> float | None:
    value = value.strip()
    return float(value) if _FIGURE.fullmatch(value) else None


def _duration(value: str) -> float | None:
    """As Go prints it: `1m2.5s`."""
    value = value.strip()
    if not _DURATION.fullmatch(value):
        return None
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(value))


def _scaled(figure: float | None, scale: float) -> float | None:
    return None if figure is None else figure * scale


def told_at(headers: Mapping[str, str]) -> float | None:
    """When a reply was sent by the clock of who sent it (its `Date`), in Unix seconds; None where it does not say."""
    return _date(headers.get("Date", ""))


def _date(value: str) -> float | None:
    try:
        parts = parsedate_tz(value)
        return None if parts is None else float(mktime_tz(parts))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
