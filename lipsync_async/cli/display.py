"""A batch on stderr while it runs: live where it is a terminal and rich is there, else a plain line now and then."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from .monitor import Monitor, View, clock
from .printing import printable

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
async def shown(monitor: Monitor, *, quiet: bool) -> AsyncIterator[None]:
    """Shows a batch for as long as the block runs."""
    if quiet:
        yield
        return
    with _live() or nullcontext() as live:
        screen: Screen = live or _Plain(sys.stderr)
        drawing = asyncio.get_running_loop().create_task(_draw(screen, monitor, LIVE_EVERY if live else PLAIN_EVERY))
        try:
            yield
        finally:
            drawing.cancel()
            with suppress(asyncio.CancelledError):
                await drawing
            screen.draw(monitor.view())


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
    """A head, a bar as wide as the terminal, and three lines."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head, bar = Table.grid(expand=True), Table.grid(expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(printable(view.title), style="bold"), f"{view.done} of {view.total}  {clock(view.elapsed)}")
    bar.add_row(ProgressBar(total=max(1, view.total), completed=view.done))  # alone it ends without a line feed
    states = Text("  ").join(Text(text, style=_COLOURS.get(name, "")) for name, text in _states(view))
    stages = [Text(stage) for stage in _stages(view)]
    lines = (*stages, *([] if stages else [states]), Text(_pacing(view)), Text(_waiting(view), style="dim"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(head, bar, *lines)


def plain(view: View) -> str:
    """The same in one line, without the clock: what does not change is not said again."""
    states = ", ".join(_stages(view) or [text for _, text in _states(view)])
    return "; ".join(filter(None, (f"{view.done} of {view.total}: {states}", _pacing(view), _waiting(view))))


def _stages(view: View) -> list[str]:
    """A line a stage."""
    told = []
    for stage in view.stages:
        count = f"{stage.done} of {stage.total}" if stage.total else str(stage.done)
        told.append(f"{stage.name:10} {count}{f'  ({stage.note})' if stage.note else ''}")
    return told


def _states(view: View) -> list[tuple[str, str]]:
    counts = view.counts
    told = [("accepted", f"{counts['accepted']} accepted")]
    told += [(name, f"{counts[name]} {name.replace('_', ' ')}") for name in list(_COLOURS)[1:] if counts[name]]
    if view.looked_up:
        told.append(("", f"{view.looked_up} in doubt"))
    return [*told, ("", f"{view.in_flight} in flight")]


def _pacing(view: View) -> str:
    if view.stages and view.stages[0].done >= view.stages[0].total:
        return f"about {clock(view.left)} left" if view.left and view.done < view.total else ""
    told = f"{view.measured:.1f}/s accepted, pace {view.pace}, {view.live_tasks} tasks not seen to end"
    left = view.left is not None and view.done < view.total
    return f"{told}; about {clock(view.left or 0)} left" if left else told


def _waiting(view: View) -> str:
    wait = f"waiting for {view.waiting_for}" if view.waiting_for else ""
    refused = ", ".join(f"{count} for {kind}" for kind, count in view.refusals.items())
    return "; ".join(filter(None, (wait, f"told to wait: {refused}" if refused else "")))


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
