"""A batch on stderr while it runs: live where it is a terminal and rich is there, else a plain line now and then."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from .monitor import Monitor, View, clock, told_refusals
from .printing import printable
from .results import Writer
from .rows import Rows

if TYPE_CHECKING:
    from rich.console import RenderableType

LIVE_EVERY = 0.2
PLAIN_EVERY = 5.0
"""Seconds between two looks."""
_COLOURS = {"accepted": "green", "rejected": "red", "unknown": "magenta", "not_sent": "yellow"}


class Screen(Protocol):
    """Who draws."""

    def draw(self, view: View) -> None:
        """Shows how it stands."""
        ...


@asynccontextmanager
async def shown(monitor: Monitor, *, quiet: bool, rows: Writer | None = None) -> AsyncIterator[None]:
    """Shows a batch for as long as the block runs; `rows` that go to the same terminal are printed above it."""
    if quiet:
        yield
        return
    with _live() or nullcontext() as live, _above(live, rows):
        screen: Screen = live or _Plain(sys.stderr)
        drawing = asyncio.get_running_loop().create_task(_draw(screen, monitor, LIVE_EVERY if live else PLAIN_EVERY))
        try:
            yield
        finally:
            drawing.cancel()
            with suppress(asyncio.CancelledError):
                await drawing
            screen.draw(monitor.view())


@contextmanager
def _above(live: Screen | None, rows: Writer | None) -> Iterator[None]:
    """What would else be written into the picture stands above it."""
    if not isinstance(rows, Rows) or not isinstance(live, _Live):
        yield
        return
    rows.above = live.print
    try:
        yield
    finally:
        rows.above = None


async def _draw(screen: Screen, monitor: Monitor, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        screen.draw(monitor.view())


def _live() -> AbstractContextManager[Screen] | None:
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError:
        return None
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    return _Live(Live(console=console, auto_refresh=False, transient=False, redirect_stdout=False))


class _Live:
    """Rich's live display, drawn when we say so: no thread."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def __enter__(self) -> _Live:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def draw(self, view: View) -> None:
        self._live.update(render(view), refresh=True)

    def print(self, text: str) -> None:
        """Lines above the picture; rich locks, for they come from a thread."""
        from rich.text import Text

        self._live.console.print(Text(text), soft_wrap=True)


class _Plain:
    """One line a look, and none where nothing changed."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = ""

    def draw(self, view: View) -> None:
        line = plain(view)
        if line != self._last:
            self._last = line
            with suppress(OSError, ValueError):
                print(printable(line), file=self._out, flush=True)


def render(view: View) -> RenderableType:
    """A head, a bar as wide as the terminal, and a line for each thing that is to be said."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head, bar = Table.grid(expand=True, padding=(0, 1, 0, 0)), Table.grid(expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(printable(view.title), style="bold"), f"{_done(view)}  {clock(view.elapsed)}")
    bar.add_row(ProgressBar(total=max(1, view.total), completed=view.done))  # alone it ends without a line feed
    states = Text(", ").join(Text(text, style=_COLOURS.get(name, "")) for name, text in _states(view))
    lines = [Text(stage) for stage in _stages(view)] or [states]
    lines += [Text(text, style=style) for text, style in _news(view)]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    outage = [Text(_outage(view), style="bold yellow")] if view.outage else []  # it may take two lines
    return Group(head, bar, *outage, *lines)


def plain(view: View) -> str:
    """The same in one line, without the clock: what does not change is not said again."""
    states = ", ".join(_stages(view) or [text for _, text in _states(view)])
    told = (f"{_done(view)}: {states}", _outage(view), *(text for text, _ in _news(view)))
    return "; ".join(filter(None, told))


def _outage(view: View) -> str:
    return printable(view.outage).replace("\n", " ")


def _done(view: View) -> str:
    return f"{view.done:,} of {view.total:,}"


def _stages(view: View) -> list[str]:
    """A line a stage."""
    told = []
    for stage in view.stages:
        count = f"{stage.done:,} of {stage.total:,}" if stage.total else f"{stage.done:,}"
        told.append(f"{count} {stage.name}{f' ({stage.note})' if stage.note else ''}")
    return told


def _states(view: View) -> list[tuple[str, str]]:
    counts = view.counts
    told = [("accepted", f"{counts['accepted']:,} accepted")]
    return told + [(name, f"{counts[name]:,} {name.replace('_', ' ')}") for name in list(_COLOURS)[1:] if counts[name]]


def _news(view: View) -> list[tuple[str, str]]:
    """What else is to be said, with its style."""
    told = ((view.checking, "magenta"), (_pacing(view), ""), (_waiting(view), "dim"))
    return [(text, style) for text, style in told if text]


def _pacing(view: View) -> str:
    if view.done >= view.total:
        return ""
    left = f"about {clock(view.left)} left" if view.left else ""
    if view.stages and view.stages[0].done >= view.stages[0].total:
        return left
    told = [f"{view.in_flight:,} under way"] if view.in_flight else []
    told += [f"{view.measured:.1f}/s accepted"] if view.measured else []
    told += [f"{view.live_tasks:,} running"] if view.live_tasks and not view.stages else []
    return "; ".join(filter(None, (", ".join(told), left)))


def _waiting(view: View) -> str:
    return "; ".join(filter(None, (view.waiting_for, told_refusals(view.refusals))))


# --- tables ---------------------------------------------------------------------------------------------------------


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), out: TextIO
) -> None:
    """A table of texts, with rich where it is there; `right` are the columns of numbers."""
    rows = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return _print_plain(headers, rows, right, out)
    if not out.isatty():
        return _print_plain(headers, rows, right, out)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for place, name in enumerate(headers):
        table.add_column(name, justify="right" if place in right else "left", no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell.replace(" ", "_"), "")) for cell in row))
    return Console(file=out, highlight=False).print(table)


def _print_plain(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int], out: TextIO) -> None:
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in (headers, *rows):
        cells = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print(" ".join(cells).rstrip(), file=out)
