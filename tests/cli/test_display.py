"""The display: what it says of a batch, and how wide it is."""

from __future__ import annotations

import asyncio
import io
import math
import sys
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import evolve
from rich.console import Console

from lipsync_async import CHAINHUB
from lipsync_async.cli import display
from lipsync_async.cli.display import plain, print_table, render
from lipsync_async.cli.monitor import Monitor, View, clock
from lipsync_async.cli.printing import say
from lipsync_async.cli.tally import Tally
from lipsync_async.dispatch.account import Event
from lipsync_async.dispatch.pacing import PacerStatistics
from lipsync_async.endings import Succeeded
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
    waiting_for="keeping to 18.7/s",
    checking="checking 12 lost replies, up to 0:45 more",
    left=3600.0,
)


def drawn(view: View, width: int) -> list[str]:
    """What stands on a terminal of that width."""
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(render(view))
    return cast("io.StringIO", console.file).getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 140])
def test_six_lines_fit_the_terminal(width: int) -> None:
    """Whatever its width: none is wrapped, and the figures are not cut off at 80 columns."""
    lines = drawn(VIEW, width)
    assert len(lines) == 6
    assert max(map(len, lines)) <= width
    if width >= 80:
        assert "412,345 of 1,000,000  1:06:40" in lines[0]
        assert [line.strip() for line in lines[2:]] == [
            "412,000 accepted, 300 rejected, 40 unknown, 5 not sent",
            "checking 12 lost replies, up to 0:45 more",
            "64 under way, 18.2/s accepted, 1,000 running; about 1:00:00 left",
            "keeping to 18.7/s; 1,200 rate-limit replies, 30 too-many-tasks replies",
        ]


@pytest.mark.parametrize("width", range(32, 45))
def test_the_title_does_not_run_into_the_figures(width: int) -> None:
    """`127.0.0.1:8904` and `21 of 30` without a blank between them would read as another port."""
    head = drawn(evolve(VIEW, title="list.csv to 127.0.0.1:8904", done=21, total=30, elapsed=2.0), width)[0]
    before, _, after = head.partition("21 of 30  0:02")
    assert before.endswith(" ")
    assert not after


@pytest.mark.parametrize("width", [40, 80, 140])
def test_an_outage_is_told_whole(width: int) -> None:
    """It is what a person has to act on, so it may take more than one line; what else is wanted comes after it."""
    outage = "cannot reach 127.0.0.1:8920 (connection refused), trying again in 8 s, giving up at 07:59:10"
    lines = drawn(evolve(VIEW, outage=outage, waiting_for=""), width)
    text = " ".join(line.strip() for line in lines)
    assert outage in text
    assert max(map(len, lines)) <= width


def test_what_is_nothing_is_not_said() -> None:
    """At the beginning there is little to say."""
    view = evolve(VIEW, counts=Counter(), refusals=Counter(), waiting_for="", checking="", left=None, done=0)
    assert plain(view) == "0 of 1,000,000: 0 accepted; 64 under way, 18.2/s accepted, 1,000 running"
    assert plain(evolve(view, in_flight=0, measured=0.0, live_tasks=0)) == "0 of 1,000,000: 0 accepted"


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
        ("rate", {"pace": 18.71}, "keeping to 18.7/s"),
        ("requests in flight", {"in_flight": 64}, "waiting for replies: 64 requests are under way, the most at once"),
        ("running tasks", {"ceiling": 30}, "waiting for a task to end: 30 may run at once"),
        ("running tasks", {}, "waiting for a task to end: one is tried now and then"),
        ("gate", {}, "a pause after a rate-limit reply"),
        ("canary", {}, "one request goes ahead after a rate-limit reply"),
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


def views_of(*events: Event, at: float, monkeypatch: pytest.MonkeyPatch, gateway: Any = CHAINHUB) -> View:
    """What is said at that moment of a batch of which these events were heard."""

    class Clock:
        def time(self) -> float:
            return at

    monkeypatch.setattr("lipsync_async.cli.monitor.asyncio.get_running_loop", Clock)
    monkeypatch.setattr("lipsync_async.cli.monitor.time.time", lambda: 1_000_000.0)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monitor = Monitor("x", 9, Tally(), gateway=gateway)
    monitor.watch(cast("Any", Pacing("gate")))
    for event in events:
        monitor.observe(event)
    return monitor.view()


REFUSED = "cannot reach 127.0.0.1:8920 (connection refused)"
FAILED = Event(name="attempt", at=0.0, external_task_id="a", action="retry", kind="connection", message=REFUSED)
PAUSED = Event(name="pause", at=10.0, seconds=8.0, message=REFUSED, left=300.0)


@pytest.mark.parametrize(
    ("events", "at", "told"),
    [
        ((FAILED,), 1.0, f"{REFUSED}, trying again"),
        ((FAILED, PAUSED), 10.5, f"{REFUSED}, trying again in 8 s, giving up at 13:51"),
        ((FAILED, PAUSED), 17.5, f"{REFUSED}, trying again in 1 s, giving up at 13:51"),
        ((FAILED, PAUSED), 18.0, f"{REFUSED}, trying again now, giving up at 13:51"),
        ((FAILED, PAUSED, FAILED), 18.0, f"{REFUSED}, trying again now, giving up at 13:51"),
        ((FAILED, evolve(PAUSED, left=100.0)), 10.0, f"{REFUSED}, trying again in 8 s, giving up at 13:48:20"),
        ((FAILED, PAUSED, evolve(FAILED, action="accept")), 20.0, ""),
        ((FAILED, PAUSED, evolve(FAILED, action="wait")), 20.0, ""),
        ((evolve(PAUSED, left=None),), 10.0, ""),
        ((), 10.0, ""),
    ],
)
def test_an_outage_says_what_is_wrong_and_until_when(
    events: tuple[Event, ...], at: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is tried again, and when nobody tries any more; a word of the gateway's ends it."""
    view = views_of(*events, at=at, monkeypatch=monkeypatch)
    assert view.outage == told
    assert bool(view.waiting_for) == (not told)


@pytest.mark.parametrize(
    ("events", "at", "told"),
    [
        ([("a", "timeout")], 10.0, "checking 1 lost reply, up to 2:10 more"),
        ([("a", "connection"), ("b", "server")], 15.0, "checking 2 lost replies, up to 0:45 more"),
        ([("a", "connection")], 59.0, "checking 1 lost reply, up to 0:01 more"),
        ([("a", "connection")], 61.0, "checking 1 lost reply"),
        ([], 0.0, ""),
    ],
)
def test_lost_replies_are_counted_and_timed(
    events: list[tuple[str, str]], at: float, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the last of them is certain: longer where the gateway may still be working on it."""
    heard = [
        Event(name="attempt", at=0.0, external_task_id=name, action="look_up", kind=kind, message="x")
        for name, kind in events
    ]
    assert views_of(*heard, at=at, monkeypatch=monkeypatch).checking == told


def test_it_follows_look_ups_and_stops() -> None:
    """What is being looked up is counted until it comes out; a batch that ends waits for what is under way."""

    async def look() -> list[str]:
        monitor = Monitor("x", 1, Tally())
        client = Pacing("rate")
        monitor.watch(cast("Any", client))
        told = []
        for event in ("attempt", "look_up", "outcome"):
            monitor.observe(Event(name=event, at=0.0, external_task_id="a", action="look_up", kind="timeout"))
            told += [monitor.view().checking]
        monitor.observe(Event(name="attempt", at=0.0, external_task_id="a", action="stop", kind="auth"))
        client.waits, client.values["in_flight"], monitor.stopping = "gate", 2, True
        return [*told, monitor.view().waiting_for]

    first, second, third, last = asyncio.run(look())
    assert (first, second, third) == ("checking 1 lost reply", "checking 1 lost reply", "")
    assert last == "waiting for 2 requests under way (Ctrl-C again: ends at once)"


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


def test_a_job_that_is_submitted_again_is_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three failed once: `5 of 3 submitted` would be no figure."""
    monkeypatch.setattr("lipsync_async.cli.monitor.asyncio.get_running_loop", lambda: SimpleNamespace(time=lambda: 0.0))
    client = Pacing("")
    client.following = lambda: SimpleNamespace(tasks=2, median_duration=None, freshness=0.0)  # type: ignore[attr-defined]
    monitor = Monitor("x", 3, Tally(waits=True))
    monitor.watch(cast("Any", client))
    for name in ("a", "b", "c", "a-r1", "b-r1"):
        monitor.observe(Event(name="outcome", at=0.0, external_task_id=name, action="accepted"))
    monitor.tally.add(Succeeded(task_id="3", external_task_id="c"))
    shown = display.plain(monitor.view())
    assert "3 of 3 submitted (2 again), 2 running, 1 of 3 finished" in shown


@pytest.mark.parametrize(
    ("looks", "waits", "told"),
    [
        (["missing"] * 2, True, False),
        (["missing"] * 3, True, True),
        (["missing"] * 3 + ["running"], True, False),
        (["missing", "missing", "nothing", "missing"], True, True),
        (["missing"] * 2 + ["nothing"], True, False),
        (["missing"] * 3, False, False),
    ],
)
def test_tasks_that_the_gateway_does_not_know_are_told(
    looks: list[str], waits: bool, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`20 running` alone would be waited for in vain, such as after a change of the account."""
    monkeypatch.setattr("lipsync_async.cli.monitor.asyncio.get_running_loop", lambda: SimpleNamespace(time=lambda: 0.0))
    client = Pacing("")
    client.following = lambda: SimpleNamespace(tasks=2, median_duration=None, freshness=0.0)  # type: ignore[attr-defined]
    monitor = Monitor("x", 2, Tally(waits=waits))
    monitor.watch(cast("Any", client))
    for action in looks:
        monitor.observe(Event(name="look", at=0.0, external_task_id="a", action=action))
    assert ("the gateway finds none of the tasks asked for" in display.plain(monitor.view())) == told


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
