"""Paired ratios: base and candidate alternate inside one process, so that what disturbs the machine disturbs both.

The figure is CPU time (`time.process_time`: user and system, all threads) a job; the base's over the candidate's, so
more is better.  Median and quartiles of all pairs are given; a base against itself shows the noise.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import attrs

Leg = Callable[[], Coroutine[Any, Any, float]]
"""Does the jobs, and gives the CPU seconds that they took, preparations apart."""
Runner = Callable[[Coroutine[Any, Any, float]], float]
Bar = tuple[float, ...]


@attrs.frozen
class Candidate:
    """What is measured against the base; `jobs` where it is too slow for as many."""

    name: str
    leg: Leg
    jobs: int
    run: Runner = asyncio.run


@attrs.frozen
class Paired:
    """CPU seconds a job, of each pair: the base's, and the candidate's beside it."""

    base: tuple[float, ...]
    candidate: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [base / own for base, own in zip(self.base, self.candidate, strict=True)]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.ratios) < 2:
            return (self.median, self.median)
        low, _, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return low, high

    @property
    def microseconds(self) -> float:
        return statistics.median(self.candidate) * 1e6


class Clock:
    """CPU seconds of a `with` block, in `.seconds`."""

    seconds = 0.0

    def __enter__(self) -> Clock:
        self._begun = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._begun


def _leg(candidate: Candidate) -> float:
    gc.collect()
    return candidate.run(candidate.leg()) / candidate.jobs


def paired(base: Candidate, candidates: Sequence[Candidate], pairs: int) -> Mapping[str, Paired]:
    """Every candidate right beside a base of its own; who goes first changes from pair to pair."""
    found: dict[str, tuple[list[float], list[float]]] = {one.name: ([], []) for one in candidates}
    for one in (base, *candidates):
        _leg(one)  # warm: modules loaded, methods specialised
    for number in range(pairs):
        for one in candidates:
            first, second = (base, one) if number % 2 else (one, base)
            figures = (_leg(first), _leg(second))
            of_base, of_one = figures if first is base else figures[::-1]
            found[one.name][0].append(of_base)
            found[one.name][1].append(of_one)
    return {name: Paired(tuple(bases), tuple(own)) for name, (bases, own) in found.items()}


def verdict(figures: Iterable[float], fail: Bar | None, goal: Bar | None, *, more_is_better: bool = False) -> str:
    """Beside a bar: `goal`, `passes` or **FAIL**."""
    if fail is None:
        return ""
    sign = -1 if more_is_better else 1
    figures = list(figures)

    def within(bar: Bar | None) -> bool:
        return bar is not None and all(sign * one <= sign * line for one, line in zip(figures, bar, strict=True))

    return "**FAIL**" if not within(fail) else "goal" if within(goal) else "passes"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def table(title: str, head: Sequence[str], lines: Iterable[Iterable[object]], *notes: str) -> str:
    """A Markdown table with its title; notes below it, one a line."""
    rows = [_row(head), _row("---" for _ in head), *map(_row, lines)]
    return "\n".join((f"### {title}", "", *rows, "", *(line for note in notes for line in (note, ""))))
