"""The real command is signalled and run again; and what the comparison must find, were it there."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve

from lipsync_async.journal import Record, State

from .signalled import Account, Batch, Run, look_at_end, look_at_run, read_lines

JOBS = ("a", "b")
LEDGER = {"a": ["1"], "b": ["2"]}


def line(name: str, task_id: str | None, outcome: str = "accepted") -> dict[str, Any]:
    """What counts of a result line."""
    return {"external_task_id": name, "outcome": outcome, "task_id": task_id}


BOTH = [line("a", "1"), line("b", "2")]
STOPPED = Run(("SIGTERM",), 130, BOTH, False, frozenset("ab"), seconds_to_end=8.0)
DONE = Run((), 0, BOTH, False)
BEFORE = Run(("SIGINT",), -2, [], False, errors="Traceback (most recent call last):\nKeyboardInterrupt\n")
UNSENT = [line("a", "1"), line("b", None, "not_sent")]


def seen(run: Run, ledger: Mapping[str, list[str]] = LEDGER) -> Account:
    """What one run shows."""
    account = Account()
    look_at_run(run, JOBS, ledger, account, longest=8.0)
    return account


@pytest.mark.parametrize(
    "run",
    [
        STOPPED,
        DONE,
        evolve(STOPPED, lines=[line("a", "1"), line("b", None, "unknown")]),
        evolve(STOPPED, exit_code=-signal.SIGTERM),
        evolve(STOPPED, exit_code=0),
        evolve(STOPPED, exit_code=-signal.SIGTERM, lines=[], paid=frozenset()),
        evolve(STOPPED, signals=("SIGKILL",), exit_code=-9, lines=BOTH[:1], torn=True, seconds_to_end=9.0),
        evolve(STOPPED, signals=("SIGTERM", "SIGINT"), lines=UNSENT),
        evolve(BEFORE, exit_code=-2),
        evolve(BEFORE, exit_code=1),
    ],
)
def test_a_sound_run_is_let_pass(run: Run) -> None:
    """Whatever a signal may do to it."""
    assert seen(run).agrees


@pytest.mark.parametrize(
    ("run", "ledger"),
    [
        (evolve(STOPPED, lines=BOTH[:1]), LEDGER),  # a job has no line
        (evolve(STOPPED, lines=BOTH[:1]), {"a": ["1"]}),  # though it was not paid for
        (evolve(STOPPED, lines=[*BOTH, BOTH[0]]), LEDGER),  # a job has two
        (evolve(STOPPED, lines=[]), LEDGER),  # paid for, and nothing told
        (evolve(STOPPED, lines=UNSENT), LEDGER),  # paid for, and told as not sent
        (evolve(STOPPED, lines=[BOTH[0], line("b", "3")]), LEDGER),  # another task
        (evolve(STOPPED, torn=True), LEDGER),
        (evolve(STOPPED, seconds_to_end=8.1), LEDGER),
        (evolve(STOPPED, errors="Traceback (most recent call last):"), LEDGER),
        (evolve(STOPPED, exit_code=3), LEDGER),
        (evolve(BEFORE, paid=frozenset("a")), LEDGER),
        (evolve(BEFORE, exit_code=1, errors="Traceback (most recent call last):\nValueError\n"), LEDGER),
        (evolve(DONE, exit_code=130), LEDGER),
        (evolve(DONE, exit_code=4), LEDGER),
        # Cut short, a run may leave out lines, and tells no wrong ones.
        (evolve(STOPPED, signals=("SIGKILL",), exit_code=-9, lines=[line("b", "3")]), LEDGER),
        (evolve(STOPPED, signals=("SIGTERM", "SIGINT"), seconds_to_end=8.1), LEDGER),
    ],
)
def test_what_is_wrong_with_a_run_is_found(run: Run, ledger: Mapping[str, list[str]]) -> None:
    """Each in one way."""
    assert not seen(run, ledger).agrees


def booked(**changes: Any) -> dict[str, Record]:
    """The journal of two accepted jobs, the second with changes."""
    of_second = {"state": State.ACCEPTED, "task_id": "2"} | changes
    first = Record(external_task_id="a", fingerprint=b"", state=State.ACCEPTED, task_id="1")
    return {"a": first, "b": Record(external_task_id="b", fingerprint=b"", **of_second)}


def ended(last: Run, ledger: Mapping[str, list[str]], journal: Mapping[str, Record]) -> Account:
    """What the end of a batch shows."""
    account = Account()
    look_at_end(JOBS, last, ledger, journal, account)
    return account


@pytest.mark.parametrize(
    ("last", "ledger", "journal", "found"),
    [
        (DONE, LEDGER, booked(), (0, 0, 0)),
        (DONE, {"a": ["1"], "b": ["2", "3"]}, booked(), (0, 1, 0)),
        (DONE, LEDGER, booked(state=State.UNKNOWN), (1, 0, 0)),
        (DONE, LEDGER, booked(task_id="1"), (1, 0, 0)),
        (DONE, LEDGER, {"a": booked()["a"]}, (1, 0, 0)),
        (DONE, {"a": ["1"]}, booked(), (1, 0, 1)),
        (evolve(DONE, lines=BOTH[:1]), LEDGER, booked(), (0, 0, 1)),
        (evolve(DONE, lines=[BOTH[0], line("b", "1")]), LEDGER, booked(), (0, 0, 1)),
        (evolve(DONE, lines=[BOTH[0], line("b", "2", "unknown")]), LEDGER, booked(), (0, 0, 1)),
    ],
)
def test_the_books_at_the_end(
    last: Run, ledger: Mapping[str, list[str]], journal: Mapping[str, Record], found: tuple[int, int, int]
) -> None:
    """Lost, paid twice, and paid without being told."""
    account = ended(last, ledger, journal)
    assert (len(account.lost), len(account.doubled), len(account.untold)) == found
    assert account.agrees == (found == (0, 0, 0))


def test_accounts_add_up() -> None:
    """Nothing that one batch found is lost in the sum."""
    first = Account(jobs=2, runs=1, ends=[3.0], lost=["a"])
    first.by_signal["SIGHUP"] += 1
    both = first + Account(jobs=1, runs=2, ends=[1.0], faults=["x"])
    assert (both.jobs, both.runs, both.longest_end, both.lost, both.faults) == (3, 3, 3.0, ["a"], ["x"])
    assert both.by_signal == {"SIGHUP": 1}


def test_lines_that_are_torn() -> None:
    """Only the last one may be."""
    assert read_lines('{"a":1}\n{"b":2}\n') == ([{"a": 1}, {"b": 2}], False)
    assert read_lines('{"a":1}\n{"b"') == ([{"a": 1}], True)
    assert read_lines('{"b"') == ([], True)
    assert read_lines("") == ([], False)
    with pytest.raises(ValueError, match="delimiter"):
        read_lines('{"a"\n{"b":2}\n')


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_signalled_and_resumed(tmp_path: Path) -> None:
    """Whenever the signals come, all 120 jobs are paid for once and told.

    The soak has SIGINT, too, which Python itself tells of before the command's first line, and kills: what a kill
    leaves unsent is proven absent only after minutes.
    """
    account = Account()
    kinds = ("SIGTERM", "SIGHUP")
    batch = Batch(
        tmp_path, Random(5), 120, 60.0, kinds, life=2.0, twice=0.0, longest=float("inf"), faults={"lose_reply": 0.05}
    )
    batch.play(account, 3)
    assert account.agrees, account
    assert account.jobs == 120
