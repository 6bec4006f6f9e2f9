"""`docs/mistakes.md` is true: what it says of each mistake is what is really said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lipsync_async.sandbox import Sandbox, in_thread

from .mistakes import CALLS, COMMANDS, PAGE, Mistake, _row, said


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for all: no mistake makes a task."""
    with in_thread(Sandbox()) as running:
        yield running
    assert running.ledger.tasks == 0


@pytest.mark.parametrize("mistake", [*COMMANDS, *CALLS], ids=lambda one: one.what)
def test_the_page_says_what_is_really_said(mistake: Mistake, sandbox: Sandbox) -> None:
    """Word for word; `python -m tests.mistakes` writes the page anew."""
    told = said(mistake, sandbox)
    assert _row(mistake, told) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_has_a_row_for_each_and_no_other() -> None:
    """What is mended away leaves the page, too."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(rows) - 2 == len(COMMANDS) + len(CALLS) >= 20
