"""What to do next: the exact command for each thing that is left, and nothing where all is done."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Any

import pytest

from lipsync_async.cli.arguments import make_parser
from lipsync_async.report.advice import advise, export_command
from lipsync_async.report.facts import Facts

CHAINHUB = "https://api.chainhub.tech"
SUBMIT = "lipsync-async submit YOUR-LIST --gateway chainhub --journal ep2.db"
LOOK_UP = "lipsync-async reconcile ep2.db --gateway"


def facts(counts: dict[str, int], **values: Any) -> Facts:
    """A batch that came out so."""
    return Facts(**{"gateway": CHAINHUB, "account": "default", "counts": Counter(counts), **values})


def commands(it: Facts, journal: str = "ep2.db") -> list[str]:
    """What is to be typed."""
    return [one.command for one in advise(it, journal) if one.command]


@pytest.mark.parametrize(
    ("it", "command"),
    [
        (facts({"unknown": 2}), f"{LOOK_UP} chainhub"),
        (facts({"open": 2}), f"{LOOK_UP} chainhub"),
        (facts({"not_sent": 1}), SUBMIT),
        (facts({"succeeded": 1}, fetched=1, listed=3), SUBMIT),
        (facts({"running": 1}), "lipsync-async wait ep2.db --gateway chainhub"),
        (facts({"accepted": 1}), "lipsync-async wait ep2.db --gateway chainhub"),
        (facts({"succeeded": 2}, not_fetched=2), "lipsync-async wait ep2.db --gateway chainhub --download videos"),
        (facts({"succeeded": 2}), "lipsync-async wait ep2.db --gateway chainhub --download videos"),
        (
            facts({"succeeded": 2, "running": 1}, fetched=2, folder="/srv/my videos/a.mp4"),
            "lipsync-async wait ep2.db --gateway chainhub --download '/srv/my videos'",
        ),
        (
            facts({"succeeded": 2}, fetched=1, folder="s3://bucket/ep2/a.mp4"),
            "lipsync-async wait ep2.db --gateway chainhub --download s3://bucket/ep2",
        ),
        (
            facts({"failed": 2}, again_kinds=Counter(gateway=1, capacity=1)),
            f"{SUBMIT} --wait --resubmit capacity,gateway",
        ),
        (facts({"rejected": 1}), SUBMIT),
        (facts({"unknown": 1}, account="studio b"), f"{LOOK_UP} chainhub --account 'studio b'"),
        (facts({"unknown": 1}, gateway="http://127.0.0.1:8900"), f"{LOOK_UP} http://127.0.0.1:8900"),
    ],
)  # fmt: skip
def test_the_command_for_each_case(it: Facts, command: str) -> None:
    """As it is to be typed, and as the parser reads it."""
    assert commands(it) == [command]
    make_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize(
    "it",
    [
        facts({}),
        facts({"succeeded": 3}, fetched=3),
        facts({"succeeded": 3, "again": 1}, fetched=3, listed=3),
    ],
)
def test_nothing_is_left(it: Facts) -> None:
    """Neither of an empty batch nor of one whose videos are all there."""
    assert advise(it, "ep2.db") == []


def test_what_is_in_doubt_comes_first() -> None:
    """Before anything is sent again; what a person must do has no command."""
    it = facts({"unknown": 1, "not_sent": 1, "running": 1, "failed": 3, "rejected": 1, "lost": 1})
    verbs = [one.command.split()[1] if one.command else "" for one in advise(it, "ep2.db")]
    assert verbs == ["reconcile", "submit", "wait", "", "submit", ""]


def test_a_run_may_be_under_way() -> None:
    """What is open is looked up only when nobody works at it any more."""
    assert "Once no run has the journal" in advise(facts({"open": 1}), "j")[0].text
    assert "Once no run has the journal" not in advise(facts({"unknown": 1}), "j")[0].text


def test_a_path_with_blanks_is_quoted() -> None:
    """A command can be copied as it stands."""
    assert commands(facts({"unknown": 1}), "my run's.db")[0].startswith("""lipsync-async reconcile 'my run'"'"'s.db'""")
    assert export_command("a b.db") == "lipsync-async journal export 'a b.db' --out all.jsonl"
