"""What one delivery of one job comes to: the same for every engine that delivers at least once.

An engine may deliver a job twice, and to two workers at the same time: the journal makes them one.
What was surely not sent is delivered again. What is unknown is not: the journal has it, and every later delivery, or
`reconcile`, looks it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lipsync_async.client import LipSyncClient
from lipsync_async.config import RunOptions
from lipsync_async.dispatch.streaming import JournalLike
from lipsync_async.errors import InvalidRequestError, OutcomeUnknownError, RejectedError

from .packing import unpack


async def submit_delivered(
    client: LipSyncClient,
    job: Mapping[str, Any],
    *,
    journal: JournalLike,
    account: str = "default",
    options: RunOptions | None = None,
) -> str:
    """Submits a packed job; returns how it came out: `accepted <task id>`, `rejected ...` or `unknown ...`.

    Raises `NotSentError` (or `JournalError`): deliver it again, as often as you like.
    """
    try:
        accepted = await client.submit(unpack(job), journal=journal, account=account, options=options)
    except (RejectedError, InvalidRequestError) as error:
        return f"rejected: {error}"
    except OutcomeUnknownError as error:
        return f"unknown: {error}"
    return f"accepted {accepted.task_id}"
