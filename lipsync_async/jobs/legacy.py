"""The jobs of version 0.1.0, which sent what was no field of the call as it was, and made it part of the derived id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from lipsync_async.models import LipSyncRequest
from lipsync_async.wire.identity import derive_id


def legacy_request(request: LipSyncRequest, legacy_extra: Mapping[str, Any] | None) -> LipSyncRequest | None:
    """The request that 0.1.0 made of a line, by `JobLine.legacy_extra`; None where it is the same.

    It has the fingerprint that stands in a journal of that version, and the bytes that were sent then.
    """
    if legacy_extra is None or legacy_extra == (request.extra_body or {}):
        return None
    return evolve(request, extra_body=dict(legacy_extra))


def legacy_id(
    request: LipSyncRequest, legacy_extra: Mapping[str, Any] | None, prefix: str = "", max_length: int = 64
) -> str | None:
    """The id that 0.1.0 derived for a line, where it derived another one; None where an id is given.

    Raises what `derive_id` raises.
    """
    if request.external_task_id:
        return None
    made = legacy_request(request, legacy_extra)
    return None if made is None else derive_id(made, prefix=prefix, max_length=max_length)
