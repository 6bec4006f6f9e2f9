"""What the tests of verdicts share: a reply, and what it means in words."""

from __future__ import annotations

import json

from multidict import CIMultiDict

from lipsync_async.gateways import CHAINHUB
from lipsync_async.terms import Reply, Verdict
from lipsync_async.wire import read_reply
from lipsync_async.wire.verdicts import judge


def read(status: int, body: object = b"", **values: str) -> Reply:
    """A create's reply; `values` are headers, _ for -."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = CIMultiDict({name.replace("_", "-"): value for name, value in values.items()})
    return read_reply(status, headers, raw)


def verdict(status: int, body: object = b"", *, seen_reply: bool = True, **values: str) -> tuple[str, str | None]:
    """Action and kind, as words."""
    return words(judge(read(status, body, **values), CHAINHUB, seen_reply=seen_reply))


def words(it: Verdict) -> tuple[str, str | None]:
    """Action and kind, as words."""
    return it.action.value, it.kind and it.kind.value
