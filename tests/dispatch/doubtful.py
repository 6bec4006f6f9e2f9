"""What the tests of look-ups share: a job in doubt, and a look at it at a moment."""

from __future__ import annotations

from typing import Any

from lipsync_async.dispatch.asking import Asking
from lipsync_async.dispatch.batch import Batch
from lipsync_async.dispatch.job import Job
from lipsync_async.dispatch.lookup import Ambiguity, Inquiry
from lipsync_async.dispatch.steps import Next
from lipsync_async.terms import Kind, Phase
from lipsync_async.wire.flight import Flight
from tests.dispatch.helpers import EPOCH, job_of, task
from tests.simulation.virtual import VirtualLoop

DOUBT = Ambiguity(attempt=1, sent_at=EPOCH, phase=Phase.SENT, kind=Kind.CONNECTION, message="reset")
EXISTS = Ambiguity(attempt=1, sent_at=EPOCH, phase=Phase.ANSWERED, kind=Kind.DUPLICATE_ID, message="duplicated")
WITNESS = {"witness": task("witness", "task-0")}


async def doubtful(batch: Batch, ambiguity: Ambiguity = DOUBT, **values: Any) -> Job:
    """A job that was sent once with the present key, is in doubt since 1000, and was asked for at its plain address."""
    await batch.account.credential.headers()
    job = job_of()
    job.attempts, job.sent_at, job.first_sent_at, job.doubtful = 1, EPOCH, EPOCH, True
    usual: dict[str, Any] = {
        "since": 1000.0,
        "mark": batch.account.mark,
        "first_intent_at": EPOCH,
        "asked_plainly": True,
    }
    job.inquiry = Inquiry(ambiguity, **usual | values)
    return job


def knows_witness(batch: Batch, at: float = 0.0) -> None:
    """An accepted job of the present key, at that moment."""
    batch.account.trust.accepted(batch.account.mark, "witness", "task-0", at)


async def ask(batch: Batch, job: Job, now: float | None = None) -> Next:
    """What comes next after one look-up, at that moment."""
    loop = batch.account.loop
    assert isinstance(loop, VirtualLoop)
    loop.now = now or loop.now
    return await Asking(batch).ask(job, Flight())


async def asked_at(batch: Batch, job: Job, *moments: float) -> list[Next]:
    """The same at each of these moments."""
    return [await ask(batch, job, moment) for moment in moments]
