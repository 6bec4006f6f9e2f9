"""What the tests of sending share: one try at a job."""

from __future__ import annotations

from typing import Any

from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.sending import Sending
from lipsync_async.dispatch.steps import End, Park, Send
from lipsync_async.wire.flight import Flight
from tests.dispatch.helpers import job_of

Step = Send | Park | End | Stop | Any


async def sent(batch: Batch, job: Job | None = None) -> tuple[Step, Job]:
    """What comes next after one try, and the job."""
    job = job or job_of()
    step = await Sending(batch).send(job, Flight())
    assert batch.account.pacer.in_flight == 0
    return step, job
