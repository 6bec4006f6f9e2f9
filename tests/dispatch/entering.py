"""What the tests of a job's first step share: jobs that came out before, and outcomes at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lipsync_async import AudioFile, LipSyncRequest
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.lookup import Ambiguity
from lipsync_async.dispatch.steps import End, Next
from lipsync_async.outcomes import Accepted, Outcome
from lipsync_async.terms import Kind, Phase
from tests.dispatch.helpers import EPOCH, job_of
from tests.makers import request, wav

ENOUGH = Stop(Kind.CANCELLED, "enough")
DOUBT = Ambiguity(attempt=1, sent_at=EPOCH, phase=Phase.SENT, kind=Kind.CONNECTION)
TASK = Accepted(external_task_id="job-1", task_id="77", attempts=2, refusals=1)


def ended(step: Next) -> Outcome:
    """What a job came out as, at once, and without a line in the journal."""
    assert isinstance(step, End)
    assert not step.write
    assert step.stop is None
    return step.outcome


def came_out(batch: Batch, outcome: Outcome, wanted: LipSyncRequest | None = None, **values: Any) -> Job:
    """A job of this client that came out so, and is remembered if it may have been paid for."""
    before = job_of(wanted)
    assert batch.claim(before) is None
    before.outcome = outcome
    for name, value in values.items():
        setattr(before, name, value)
    batch.release(before)
    return before


def changed_sound(tmp_path: Path) -> LipSyncRequest:
    """A request with a sound in a file."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    return request(None, sound_file=AudioFile(path), sound_end_time=2500)
