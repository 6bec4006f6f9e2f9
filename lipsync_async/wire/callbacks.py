"""Callbacks: whether one is signed, and which task it speaks of (contract, section 6).

Pure, and safe with whatever anybody sends: every fault is one `CallbackVerificationError`.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from lipsync_async.errors import CallbackVerificationError, ConfigurationError
from lipsync_async.terms import TaskStatus

from .layers import Document, parse
from .replies import read_document

MAX_BYTES = 1024 * 1024
"""Of a body; a task is told in some hundred."""
_PREFIX = "whsec_"
_SECONDS = re.compile(r"[0-9]{1,15}")
_LONGEST_ID = 256
_LONGEST_SIGNATURE = 4096
"""Characters; some fifty signatures."""


class CallbackTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a callback says of a task: a reason to ask for it, and no more than that."""

    task_id: str
    external_task_id: str | None = None
    status: TaskStatus | None = None
    """None: not told."""

    @property
    def ended(self) -> bool:
        """Whether it says that the task has ended."""
        return self.status in {TaskStatus.SUCCEED, TaskStatus.FAILED}


class Marks(NamedTuple):
    """The three headers of a signed callback."""

    webhook_id: str
    timestamp: str
    signatures: str


def key_of(secret: str) -> bytes:
    """The key that a secret stands for, `whsec_` before it or not.

    Raises `ConfigurationError`, which shows no secret.
    """
    text = _text(secret).removeprefix(_PREFIX)
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, NotBase64):
        key = b""
    finally:
        del secret, text
    if not key:
        raise ConfigurationError("a secret of callbacks is Base64, with or without whsec_ before it")
    return key


def marks_of(headers: object) -> Marks:
    """The headers that sign a callback, whatever the case of their names. Raises `CallbackVerificationError`."""
    found = dict(_texts_of(headers))
    marks = Marks(*(found.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature")))
    if not all(marks):
        raise CallbackVerificationError("the callback is not signed: a webhook header is missing")
    if len(marks.webhook_id) > _LONGEST_ID or len(marks.signatures) > _LONGEST_SIGNATURE:
        raise CallbackVerificationError("a webhook header of the callback is too long")
    return marks


def webhook_id_of(headers: object) -> str | None:
    """The id by which a callback that comes again is known; None: it has none."""
    try:
        found = dict(_texts_of(headers)).get("webhook-id")
    except CallbackVerificationError:
        return None
    return found if found and len(found) <= _LONGEST_ID else None


def verify(headers: object, body: object, keys: Sequence[bytes], *, tolerance: float, now: float) -> None:
    """Raises `CallbackVerificationError` unless the callback is signed with one of the keys, within the tolerance.

    `body` is the raw bytes, as they arrived; `now` is in Unix seconds, and `tolerance` in seconds.
    """
    data = bytes_of(body)
    marks = marks_of(headers)
    if not _SECONDS.fullmatch(marks.timestamp):
        raise CallbackVerificationError("the callback's time is no number of seconds")
    if abs(now - int(marks.timestamp)) > tolerance:
        raise CallbackVerificationError("the callback's time is too far from ours")
    signed = f"{marks.webhook_id}.{marks.timestamp}.".encode("utf-8", "surrogatepass") + data
    told = list(_signatures(marks.signatures))
    # All are compared, so that the time that it takes tells nothing.
    matches = [hmac.compare_digest(hmac.digest(key, signed, "sha256"), one) for key in keys for one in told]
    if not any(matches):
        raise CallbackVerificationError("the callback is not signed with a secret of ours")


def parse_callback(body: object) -> CallbackTask:
    """The task that a callback speaks of, at top level or in an envelope. Raises `CallbackVerificationError`.

    The URL of a result is never taken from it.
    """
    data = bytes_of(body)
    if len(data) > MAX_BYTES:
        raise CallbackVerificationError("the callback is too large")
    top = parse(data).top
    if top is None:
        raise CallbackVerificationError("the callback is no JSON object")
    reply = read_document(200, {}, Document(top))
    if reply.task_id is None:
        raise CallbackVerificationError("the callback names no task")
    return CallbackTask(task_id=reply.task_id, external_task_id=reply.external_task_id, status=reply.task_status)


def bytes_of(body: object) -> bytes:
    """The raw bytes of a body. Raises `CallbackVerificationError` for what was decoded or parsed on its way."""
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    raise CallbackVerificationError("the callback's body must be its raw bytes, as they arrived")


def _texts_of(headers: object) -> Iterator[tuple[str, str]]:
    """Names in small letters, and values; of a name that comes twice the last."""
    if not isinstance(headers, Mapping):
        raise CallbackVerificationError("the callback's headers must be a mapping")
    try:
        pairs = [(name, headers[name]) for name in headers]
    except Exception as error:
        raise CallbackVerificationError("the callback's headers cannot be read") from error
    for name, value in pairs:
        yield _text(name).lower(), _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1").strip()
    return value.strip() if isinstance(value, str) else ""


def _signatures(told: str) -> Iterator[bytes]:
    for part in told.split(" "):
        version, _, signature = part.partition(",")
        if version == "v1":
            try:
                yield b64decode(signature, validate=True)
            except (ValueError, NotBase64):
                continue
