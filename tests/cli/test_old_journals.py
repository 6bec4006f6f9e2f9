"""A journal of version 0.1.0, whose ids and fingerprints held what was no field of the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lipsync_async.cli import main
from lipsync_async.cli.batch import Earlier
from lipsync_async.jobs.lines import read_request
from lipsync_async.journal import Record, State, Store
from lipsync_async.models import LipSyncRequest
from lipsync_async.sandbox import Sandbox
from lipsync_async.wire.identity import derive_id, fingerprint

from .helpers import job, results, write


def old(name: str | None = None, **extra: Any) -> LipSyncRequest:
    """What 0.1.0 made of a line with these fields that are none."""
    request, _ = read_request({**job(name), "extra_body": extra})
    assert request is not None
    return request


@pytest.mark.parametrize("name", [None, "mine"])
def test_what_0_1_0_paid_for_is_told(
    name: str | None, tmp_path: Path, lipsync_sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a derived id or a given one: the job is told under its old id; what is new goes without the column."""
    begun = old(name, note="x")
    key = name or derive_id(begun)
    store = Store(tmp_path / "run.db", gateway=lipsync_sandbox.base_url)
    store.write([Record(external_task_id=key, fingerprint=fingerprint(begun), state=State.ACCEPTED, task_id="860")])
    store.close()
    jobs = write(tmp_path / "jobs.jsonl", [job(name, note="x"), job("new", note="x")])
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--journal", str(tmp_path / "run.db")]
    assert main(command) == 0
    told = results(capsys.readouterr().out)
    assert [(line["external_task_id"], line["line"]) for line in told] == [(key, 1), ("new", 2)]
    assert told[0]["task_id"] == "860"
    assert [entry.external_task_id for entry in lipsync_sandbox.ledger.entries] == ["new"]


@pytest.mark.parametrize(
    ("state", "held"),
    [
        (State.ACCEPTED, True),
        (State.REJECTED, True),
        (State.UNKNOWN, True),
        (State.OPEN, True),
        (State.CLEARED, False),
        (State.NOT_SENT, False),
    ],
)
def test_only_what_may_stand_is_held_on_to(state: State, held: bool) -> None:
    """What was surely not acted upon is sent as the list says now; so is what the journal holds with other content."""
    new, begun = old(), old(note="x")
    records = {derive_id(begun): Record(external_task_id="", fingerprint=fingerprint(begun), state=state)}
    earlier = Earlier(records.get, id_prefix="", max_id_length=64)
    found = earlier.as_begun(new, {"note": "x"})
    assert (found.external_task_id == derive_id(begun)) is held
    assert (fingerprint(found) == fingerprint(begun)) is held
    assert earlier.as_begun(new, {"note": "y"}) is new
    assert earlier.as_begun(new, None) is new
    other = {derive_id(begun): Record(external_task_id="", fingerprint=b"other", state=state)}
    assert Earlier(other.get, id_prefix="", max_id_length=64).as_begun(new, {"note": "x"}) is new
