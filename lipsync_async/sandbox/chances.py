"""Chances by name, and what one throw of the dice makes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

_ROUNDING = 1e-9


def check_chances(chances: Mapping[str, float] | None, known: Collection[str], what: str) -> dict[str, float]:
    """Give the chances as a dict of its own.

    Raises:
        ValueError: for a name that is not known, or for chances above 1 in all.

    """
    given = dict(chances or {})
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"unknown {what} {', '.join(unknown)}; known are {', '.join(known)}")
    if any(chance < 0 for chance in given.values()) or sum(given.values()) > 1 + _ROUNDING:
        raise ValueError(f"the chances of all {what}s together must lie within 0 and 1")
    return given


def pick(chances: Mapping[str, float], throw: float) -> str | None:
    """The name that a throw from 0 to 1 falls on, or None."""
    for name, chance in chances.items():
        throw -= chance
        if throw < 0:
            return name
    return None
