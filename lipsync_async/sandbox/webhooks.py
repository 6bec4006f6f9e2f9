"""Callbacks as bytes: their bodies, and signatures as Standard Webhooks has them (contract, section 6)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lipsync_async.sandbox.replies import Body, envelope, native_task
from lipsync_async.sandbox.tasks import Snapshot

PREFIX = "whsec_"
KNOWN_CALLBACK_FAULTS: Mapping[str, str] = {
    "twice": "it comes a second time, with the same id",
    "late": "it comes after the one of the task's end",
    "lost": "it never comes",
    "forged": "another comes before it: success, a stranger's URL and a signature of another secret",
    "replayed": "it comes once more in the end, its timestamp an hour old, well signed",
}
"""What can go wrong with each callback."""


@attrs.frozen
class Message:
    """One callback, ready to be sent."""

    task_id: str
    status: str
    body: bytes
    headers: Mapping[str, str]
    fault: str | None = None


def key_of(secret: str) -> bytes:
    """The key behind a secret; raises ValueError for one that is not `whsec_` and Base64."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"callback_secret must begin with {PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"callback_secret must be Base64 behind {PREFIX}") from None
    if not key:
        raise ValueError("callback_secret must hold a key")
    return key


def signature(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """One part of the header `webhook-signature`."""
    digest = hmac.new(key_of(secret), f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers_of(secrets: tuple[str, ...], webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a callback, with a signature a secret; without secrets it is not signed."""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if not secrets:
        return headers
    signed = " ".join(signature(secret, webhook_id, str(timestamp), body) for secret in secrets)
    return headers | {"webhook-id": webhook_id, "webhook-timestamp": str(timestamp), "webhook-signature": signed}


def _as_task(task: Snapshot, _request_id: str) -> Body:
    return native_task(task)


def _as_envelope(task: Snapshot, request_id: str) -> Body:
    return envelope(native_task(task), request_id)


def _bare(task: Snapshot, _request_id: str) -> Body:
    return {name: value for name, value in native_task(task).items() if name != "task_info"}


CALLBACKS: Mapping[str, Callable[[Snapshot, str], Body] | None] = {
    "none": None,
    "task": _as_task,
    "envelope": _as_envelope,
    "bare": _bare,
}
"""How a callback's body looks: the task object, in Kling's envelope, or without `task_info`."""


def encode(body: dict[str, Any]) -> bytes:
    """The bytes that are signed and sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
