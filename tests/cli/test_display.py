"""The display: what it says of a batch, and how wide it is."""

from __future__ import annotations

import asyncio
import io
import math
import sys
from collections import Counter
from typing import Any, cast

import pytest
from attrs import evolve
from rich.console import Console

from lipsync_async.cli import display
from lipsync_async.cli.display import plain, print_table, render
from lipsync_async.cli.monitor import Monitor, View, clock
from lipsync_async.cli.printing import say
from lipsync_async.cli.tally import Tally
from lipsync_async.dispatch.account import Event
from lipsync_async.dispatch.pacing import PacerStatistics
from lipsync_async.outcomes import Accepted

VIEW = View(
    title="a-list-with-quite-a-long-name-in-some-folder/jobs.jsonl to chainhub",
    done=412_345,
    total=1_000_000,
    elapsed=4000.0,
    counts=Counter(accepted=412_000, rejected=300, unknown=40, not_sent=5),
    looked_up=12,
    in_flight=64,
    live_tasks=1000,
    pace="18.7/s",
    measured=18.2,
    refusals=Counter(rate=1200, capacity=30),
    waiting_for="the pace: 18.7/s",
    left=3600.0,
)


def drawn(view: View, width: int) -> list[str]:
    """What stands on a terminal of that width."""
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(render(view))
    return cast("io.StringIO", console.file).getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 140])
def test_five_lines_fit_the_terminal(width: int) -> None:
    """Whatever its width: none is wrapped, and the figures are not cut off at 80 columns."""
    lines = drawn(VIEW, width)
    assert len(lines) == 5
    assert max(map(len, lines)) <= width
    if width >= 80:
        assert "412345 of 1000000  1:06:40" in lines[0]
        assert lines[2].strip().endswith("12 in doubt  64 in flight")
        assert lines[3].strip() == "18.2/s accepted, pace 18.7/s, 1000 tasks not seen to end; about 1:00:00 left"
        assert lines[4].strip() == "waiting for the pace: 18.7/s; told to wait: 1200 for rate, 30 for capacity"


def test_what_is_nothing_is_not_said() -> None:
    """At the beginning there is little to say."""
    view = evolve(VIEW, counts=Counter(), looked_up=0, refusals=Counter(), waiting_for="", left=None, done=0)
    assert plain(view) == (
        "0 of 1000000: 0 accepted, 64 in flight; 18.2/s accepted, pace 18.7/s, 1000 tasks not seen to end"
    )


def test_a_plain_line_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing changed."""
    screen = display._Plain(sys.stderr)
    screen.draw(VIEW)
    screen.draw(evolve(VIEW, elapsed=4001.0))
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(("seconds", "told"), [(0, "0:00"), (65.4, "1:05"), (59.6, "1:00"), (7265, "2:01:05")])
def test_a_clock_reads_as_clocks_do(seconds: float, told: str) -> None:
    """Minutes and seconds, and hours where there are any."""
    assert clock(seconds) == told


class Pacing:
    """A client and its pacer as the monitor asks them."""

    def __init__(self, waits: str, **values: Any) -> None:
        self.waits = waits
        self.values = {
            "pace": math.inf, "lo": 0.0, "hi": math.inf, "in_flight": 0, "live_tasks": 3, "ceiling": math.inf,
            "accepted": 0, "refused": 0, "gate_open": True, **values,
        }  # fmt: skip

    def statistics(self) -> PacerStatistics:
        """What is known."""
        return PacerStatistics(**self.values)

    def waiting_for(self) -> str:
        """What holds the next one back."""
        return self.waits


@pytest.mark.parametrize(
    ("waits", "values", "told"),
    [
        ("", {}, ""),
        ("rate", {"pace": 18.71}, "the pace: 18.7/s"),
        ("requests in flight", {"in_flight": 64}, "a reply: no more than 64 requests may be in flight"),
        ("running tasks", {"ceiling": 30}, "a task to end: 30 may run"),
        ("running tasks", {}, "a task to end: a try now and then"),
        ("gate", {}, "the gate: a pause after a refusal for rate"),
        ("canary", {}, "the answer to one trial request, after a refusal for rate"),
    ],
)
def test_it_says_what_the_gate_waits_for_and_why(waits: str, values: dict[str, Any], told: str) -> None:
    """In words, with the figures."""

    async def look() -> View:
        monitor = Monitor("x", 5, Tally())
        monitor.watch(cast("Any", Pacing(waits, **values)))
        monitor.observe(Event(name="attempt", at=0.0, external_task_id="a", action="wait", kind="rate"))
        return monitor.view()

    view = asyncio.run(look())
    assert view.waiting_for == told
    assert view.refusals == {"rate": 1}


def test_it_follows_look_ups_and_stops() -> None:
    """What is being looked up is counted until it comes out; a batch that ends waits for its requests in flight."""

    async def look() -> list[str]:
        monitor = Monitor("x", 1, Tally())
        client = Pacing("rate")
        monitor.watch(cast("Any", client))
        told = []
        for event in ("attempt", "look_up", "outcome"):
            monitor.observe(Event(name=event, at=0.0, external_task_id="a", action="look_up", kind="timeout"))
            told += [f"{monitor.view().looked_up} {monitor.view().waiting_for}"]
        monitor.observe(Event(name="attempt", at=0.0, external_task_id="a", action="stop", kind="auth"))
        client.waits, client.values["in_flight"], monitor.stopping = "gate", 2, True
        return [*told, monitor.view().waiting_for]

    first, second, third, last = asyncio.run(look())
    assert first == second == "1 look-ups: an answer counts after a while only"
    assert third == "0 the pace: not held back"
    assert last == "2 requests in flight (Ctrl-C again: ends at once)"


def test_the_rate_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the last ten seconds, replays apart; the rest is estimated from it."""
    now = [100.0]

    class Clock:
        def time(self) -> float:
            return now[0]

    monkeypatch.setattr("lipsync_async.cli.monitor.asyncio.get_running_loop", Clock)
    tally = Tally()
    monitor = Monitor("x", 400, tally)
    monitor.watch(cast("Any", Pacing("")))
    tally.add(Accepted(external_task_id="old", task_id="1", replayed=True))
    for _ in range(30):
        now[0] += 1.0
        for _ in range(4):
            tally.add(Accepted(external_task_id="a", task_id="1"))
        monitor.view()
    view = monitor.view()
    assert view.measured == pytest.approx(4.0)
    assert view.left == pytest.approx((400 - 121) / 4)


def test_tables_need_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it they are plain, and as true."""
    rows = [("a", "10"), ("bb", "7")]
    with_rich, without = io.StringIO(), io.StringIO()
    print_table(("job", "units"), rows, right=(1,), out=with_rich)
    for name in ("rich.console", "rich.table", "rich.text", "rich.live"):
        monkeypatch.setitem(sys.modules, name, None)
    print_table(("job", "units"), rows, right=(1,), out=without)
    assert without.getvalue() == with_rich.getvalue() == "job units\na      10\nbb      7\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert display._live() is None


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of a terminal is rich's, as wide as it must be."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    print_table(("job", "outcome"), [("a", "accepted")], out=out)
    assert "\x1b[32maccepted" in out.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be drawn over."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert display._live() is None


def test_a_stderr_that_is_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is worth more than its display."""

    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    say("x")
    display._Plain(sys.stderr).draw(VIEW)
