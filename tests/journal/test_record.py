"""A record and its result line."""

from __future__ import annotations

from pathlib import Path

from lipsync_async.journal import (
    State,
    iter_result_lines,
)
from tests.journal.helpers import FULL, job, open_store


def test_a_record_keeps_everything(path: Path) -> None:
    """What was written is what is recalled, every field of it."""
    with open_store(path) as store:
        store.write([FULL])
        assert store.recall("full") == FULL
        assert store.recall("nobody") is None


def test_result_lines_have_the_stable_names() -> None:
    """An open intent is exported as unknown, a cleared one as not_sent, and all others under their own name."""
    with open_store(":memory:") as store:
        store.write([job(state.value, state) for state in State] + [FULL])
        lines = list(iter_result_lines(store))
    names = (
        "external_task_id outcome task_id task_status attempts refusals kind "
        "http_status code message request_id line schema video_url duration units video_path"
    )
    assert [list(line) for line in lines] == [names.split()] * len(lines)
    assert [line["outcome"] for line in lines] == [
        "unknown",
        "not_sent",
        "accepted",
        "rejected",
        "unknown",
        "not_sent",
        "unknown",
    ]
    assert lines[-1] == {name: lines[-1][name] for name in names.split()} | {"code": 5002, "line": 12, "refusals": 7}
