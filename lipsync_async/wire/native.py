"""The one reply that nearly every job gets: a native create that succeeded, read in one typed pass.

Gateways leave out some of it: `request_id`, the times and `task_info` may be missing.

Whatever is not exactly this shape is left to `replies`, which reads them all, and this one alike (a property test).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder

from lipsync_async.terms import Reply, TaskStatus

from . import texts

_Word: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
_Milliseconds: TypeAlias = Annotated[int, Meta(ge=1_000_000_000_000, lt=1_000_000_000_000_000)]


class _Info(Struct, forbid_unknown_fields=True, gc=False):
    external_task_id: _Word | None = None


class _Task(Struct, forbid_unknown_fields=True, gc=False):
    task_id: _Word
    task_status: Literal["submitted"]
    task_info: _Info | None = None
    created_at: _Milliseconds | None = None
    updated_at: int | None = None


class _Created(Struct, forbid_unknown_fields=True, gc=False):
    code: Literal[0]
    message: Literal["SUCCEED"]
    data: _Task
    request_id: _Word | None = None


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
    words = task.task_id + (request_id or "") + (external_task_id or "")
    if " " in words or not (words.isascii() and words.isprintable()):
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
