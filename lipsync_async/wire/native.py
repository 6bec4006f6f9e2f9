"""The one reply that nearly every job gets: a native create that succeeded, read in one typed pass.

Gateways leave out some of it: `request_id`, the times and `task_info` may be missing.

Whatever is not exactly this shape is left to `replies`, which reads them all, and this one alike (a property test).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from lipsync_async.terms import Reply, TaskStatus

from . import texts


class _Info(Struct, forbid_unknown_fields=True, gc=False):
    external_task_id: str | None = None


class _Task(Struct, forbid_unknown_fields=True, gc=False):
    task_id: str
    task_status: Literal["submitted"]
    task_info: _Info | None = None
    created_at: int | None = None
    updated_at: int | None = None


class _Created(Struct, forbid_unknown_fields=True, gc=False):
    code: Literal[0]
    message: Literal["SUCCEED"]
    data: _Task
    request_id: str | None = None


_decode = Decoder(_Created).decode


def read_created(body: bytes, headers: Mapping[str, str]) -> Reply | None:
    """A native create's success; None: something else, or something odd about it.

    Where the body names no `request_id`, a header's is taken.
    """
    try:
        created = _decode(body)
    except (MsgspecError, ValueError, RecursionError):
        return None
    task = created.data
    external_task_id = None if task.task_info is None else task.task_info.external_task_id
    request_id, created_at = created.request_id, task.created_at
    if not (
        _is_plain(task.task_id)
        and (request_id is None or _is_plain(request_id))
        and (external_task_id is None or _is_plain(external_task_id))
        and (created_at is None or 1_000_000_000_000 <= created_at < 1_000_000_000_000_000)
    ):
        return None
    return Reply(
        status=200,
        code=0,
        success=True,
        message="SUCCEED",
        request_id=request_id_in(headers) if request_id is None else request_id,
        task_id=task.task_id,
        task_status=TaskStatus.SUBMITTED,
        external_task_id=external_task_id,
        created_at=None if created_at is None else created_at / 1000,
        parsed=True,
    )


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """The id of the call as a header names it; `headers` looks names up whatever their case."""
    return texts.word(headers.get("x-request-id")) or texts.word(headers.get("X-Oneapi-Request-Id"))


def _is_plain(word: str) -> bool:
    return 0 < len(word) <= 64 and word.isascii() and word.isprintable() and " " not in word
