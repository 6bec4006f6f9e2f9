"""Drawings in SVG, made by hand: bars that stretch with the page; all words stand beside them as HTML. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from html import escape
from itertools import groupby

from .facts import ENDED, NEVER_RAN, REFUSED, SUBMITTED, WORDS, Facts
from .levels import Level, Paces, per_second
from .texts import clock, number, seconds
from .timeline import Timeline

_WIDE, _HIGH = 1_000, 40
_LEAST = 4
"""Of `_WIDE`: what is there at all is seen."""
_BINS = 24
_SERIES = ((SUBMITTED, "Submitted", "idle"), (ENDED, "Ended, by the gateway's clock", "good"))
_HEADROOM = 2
"""Of `_HIGH`, above the highest line."""
_REFUSALS = ((REFUSED, "Refused for rate or running tasks", "bad"),)


def shares(facts: Facts) -> str:
    """One bar: how all jobs came out."""
    counts = [(name, facts.counts[name]) for name in WORDS if facts.counts[name]]
    total = sum(count for _, count in counts)
    widths = [max(_LEAST, count * _WIDE / total) for _, count in counts]
    shrink = _WIDE / (sum(widths) or 1)
    at, parts = 0.0, []
    for (name, count), width in zip(counts, widths, strict=True):
        title = f"{number(count)} {WORDS[name].label}"
        part = f'<rect class="{WORDS[name].colour}" x="{at:.1f}" width="{width * shrink - 1.5:.1f}" height="{_HIGH}">'
        parts.append(f"{part}<title>{title}</title></rect>")
        at += width * shrink
    words = ", ".join(f"{number(count)} {WORDS[name].label}" for name, count in counts)
    return _svg(_WIDE, "shares", words, "".join(parts))


def over_time(timeline: Timeline, zone: tzinfo) -> str:
    """Bars for every series, one below the other over the same time."""
    drawn = [*_SERIES, *(one for one in _REFUSALS if any(timeline.counts(one[0])))]
    figures = [_series(timeline, *one, zone) for one in drawn if any(timeline.counts(one[0]))]
    running = running_tasks(timeline)
    if any(timeline.counts(ENDED)) and any(running):
        told = (
            f"at most {number(max(running))} at once; one that was not seen to end counts on, a failed one is left out"
        )
        figures.insert(1, _spans(timeline, "Running tasks", told, running, "idle", zone))
    return "".join(figures)


def running_tasks(timeline: Timeline) -> list[int]:
    """How many tasks ran at the end of each span: what was submitted, less what has ended by then."""
    level, levels = 0, []
    series = (timeline.counts(one) for one in (SUBMITTED, NEVER_RAN, ENDED))
    for submitted, never_ran, ended in zip(*series, strict=True):
        level += submitted - never_ran - ended
        levels.append(max(0, level))  # the gateway's clock may be ahead of ours
    return levels


def learned(timeline: Timeline, paces: Paces, zone: tzinfo) -> str:
    """Lines of the pace and of the running tasks that are allowed, over the same time as the bars."""
    pace, ceiling, figures = paces.pace_over(timeline), paces.ceiling_over(timeline), []
    greatest = max((level for level in pace if level is not None), default=0.0)
    if greatest:
        told = f"up to {per_second(greatest)}; there is no line before a refusal showed it"
        figures.append(_line(timeline, "Learned pace", told, pace, per_second, "good", zone))
    most = max((level for level in ceiling if level is not None), default=0.0)
    if most:
        told = f"up to {number(most)} at once; there is no line before one was known"
        figures.append(_line(timeline, "Learned limit of running tasks", told, ceiling, number, "idle", zone))
    return "".join(figures)


def _line(
    timeline: Timeline,
    title: str,
    told: str,
    levels: Sequence[Level],
    words: Callable[[float], str],
    colour: str,
    zone: tzinfo,
) -> str:
    """A line of steps over a pale area; spans that say the same are one step."""
    areas, path, end = [], [], -1
    top = max(level for level in levels if level is not None)
    for span, width, level in _steps(levels):
        y = _HIGH - level / top * (_HIGH - _HEADROOM)
        path.append(f"{f'V{y:.1f}' if span == end else f'M{span} {y:.1f}'}H{span + width}")
        end = span + width
        name = clock(timeline.begin + span * timeline.step, zone, _form(timeline))
        rect = f'<rect x="{span}" y="{y:.1f}" width="{width}" height="{_HIGH - y:.1f}">'
        areas.append(f"{rect}<title>{name}: {words(level)}</title></rect>")
    line = f'<path d="{"".join(path)}"/>'
    drawn = _svg(len(levels), f"level {colour}", f"{title}: {told}", f"{''.join(areas)}{line}")
    return _figure(title, told, drawn, _ends(timeline, zone))


def _steps(levels: Sequence[Level]) -> Iterator[tuple[int, int, float]]:
    """Spans that follow each other and say the same: the first one, how many, and what they say."""
    span = 0
    for level, some in groupby(levels):
        width = sum(1 for _ in some)
        if level is not None:
            yield span, width, level
        span += width


def _series(timeline: Timeline, series: int, title: str, colour: str, zone: tzinfo) -> str:
    counts = timeline.counts(series)
    most = f"{number(sum(counts))} in all, at most {number(max(counts))} in {seconds(timeline.step)}"
    return _spans(timeline, title, most, counts, colour, zone)


def _spans(timeline: Timeline, title: str, told: str, counts: Sequence[int], colour: str, zone: tzinfo) -> str:
    """Bars over the timeline's spans."""
    names = [clock(timeline.begin + span * timeline.step, zone, _form(timeline)) for span in range(len(counts))]
    return _bars(title, told, counts, names, _ends(timeline, zone), colour)


def _form(timeline: Timeline) -> str:
    """How moments are told, by how long the time is."""
    return "%H:%M:%S" if timeline.spans * timeline.step < 86_400 else "%Y-%m-%d %H:%M"


def _ends(timeline: Timeline, zone: tzinfo) -> tuple[str, str]:
    """The axis."""
    return clock(timeline.begin, zone), clock(timeline.begin + timeline.spans * timeline.step, zone)


def durations(lasted: Sequence[float]) -> str:
    """How many tasks took how long."""
    top = max(lasted) or 1.0
    counts = [0] * _BINS
    for one in lasted:
        counts[min(_BINS - 1, int(one / top * _BINS))] += 1
    names = [f"{seconds(top * place / _BINS)} to {seconds(top * (place + 1) / _BINS)}" for place in range(_BINS)]
    told = f"the last {number(len(lasted))} that were seen to end"
    return _bars("From submit to end", told, counts, names, ("0 s", seconds(top)), "good")


def part(count: float, most: float, colour: str) -> str:
    """A bar for a line of a table; its figure stands beside it."""
    width = max(_LEAST, count / most * _WIDE) if count else 0
    bar = f'<rect class="{colour}" width="{width:.0f}" height="{_HIGH}"/>'
    return f'<svg class="part" viewBox="0 0 {_WIDE} {_HIGH}" preserveAspectRatio="none" aria-hidden="true">{bar}</svg>'


def _bars(
    title: str, told: str, counts: Sequence[int], names: Sequence[str], ends: tuple[str, str], colour: str
) -> str:
    most = max(counts)
    bars = []
    for place, count in enumerate(counts):
        if count:
            high = max(1.0, count / most * _HIGH)
            rect = f'<rect x="{place}.06" y="{_HIGH - high:.1f}" width=".88" height="{high:.1f}">'
            bars.append(f"{rect}<title>{names[place]}: {number(count)}</title></rect>")
    drawn = _svg(len(counts), f"bars {colour}", f"{title}: {told}", "".join(bars))
    return _figure(title, told, drawn, ends)


def _figure(title: str, told: str, drawn: str, ends: tuple[str, str]) -> str:
    caption = f"<figcaption><b>{escape(title)}</b> {escape(told)}</figcaption>"
    return f'<figure>{caption}{drawn}<p class="axis"><span>{ends[0]}</span><span>{ends[1]}</span></p></figure>'


def _svg(width: int, classes: str, label: str, content: str) -> str:
    box = f'viewBox="0 0 {width} {_HIGH}" preserveAspectRatio="none"'
    return f'<svg class="{classes}" {box} role="img" aria-label="{escape(label)}">{content}</svg>'
