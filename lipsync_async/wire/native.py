"""The one reply that nearly every job gets: a native create that succeeded, read in one typed pass.

Whatever is not exactly this shape is left to `replies`, which reads them all, and this one alike (a property test).
"""

from __future__ import annotations

from typing import Literal

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from lipsync_async.terms import Reply, TaskStatus


class _Info(Struct, forbid_unknown_fields=True, gc=False):
    external_task_id: str


class _Task(Struct, forbid_unknown_fields=True, gc=False):
    task_id: str
    task_status: Literal["submitted"]
    task_info: _Info
    created_at: int
    updated_at: int


class _Created(Struct, forbid_unknown_fields=True, gc=False):
    code: Literal[0]
    message: Literal["SUCCEED"]
    request_id: str
    data: _Task


_decode = Decoder(_Created).decode


def read_created(body: bytes) -> Reply | None:
    """A native create's success; None: something else, or something odd about it."""
    try:
        created = _decode(body)
    except (MsgspecError, ValueError, RecursionError):
        return None
    task = created.data
    external_task_id = task.task_info.external_task_id
    if not (
        _is_plain(task.task_id)
        and _is_plain(created.request_id)
        and _is_plain(external_task_id)
        and 1_000_000_000_000 <= task.created_at < 1_000_000_000_000_000
    ):
        return None
    return Reply(
        status=200,
        code=0,
        success=True,
        message="SUCCEED",
        request_id=created.request_id,
        task_id=task.task_id,
        task_status=TaskStatus.SUBMITTED,
        external_task_id=external_task_id,
        created_at=task.created_at / 1000,
        parsed=True,
    )


def _is_plain(word: str) -> bool:
    return 0 < len(word) <= 64 and word.isascii() and word.isprintable() and " " not in word
