"""Callbacks for any web framework: `client.callbacks()` makes a `Callbacks` (contract, section 6).

A callback is a hint: it makes the client ask for a task sooner, once, and nothing else.
What is forged, repeated or out of order changes nothing, and costs no more queries than the planner's cap allows.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from lipsync_async.errors import CallbackVerificationError, ConfigurationError
from lipsync_async.wire.callbacks import (
    MAX_BYTES,
    CallbackTask,
    bytes_of,
    key_of,
    parse_callback,
    verify,
    webhook_id_of,
)
from lipsync_async.wire.credential import ApiKey, account_of

REMEMBERED = 10_000
"""Ids of callbacks that are remembered, so that one that comes again is not heard twice."""
_LOG = logging.getLogger("lipsync_async")

RECEIVED, UNREADABLE, UNSIGNED, TOO_LARGE = 204, 400, 401, 413
"""What `receive` answers."""


class Callbacks:
    """Receives the callbacks of one client.

    `receive` does all that a web handler needs; `verify` and `parse` are its parts.
    It is called in the thread of the client's event loop, and does not wait for anything.
    """

    def __init__(
        self,
        hint: Callable[[str], object],
        *,
        token: str,
        secrets: Sequence[str] | str = (),
        tolerance: float = 300.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not token:
            raise ConfigurationError("a path of callbacks needs a token that nobody can guess")
        self.path: str = f"/kling/{token}"
        """Where to receive them: whoever does not know it cannot call it."""
        self._hint = hint
        self._keys = tuple(map(key_of, (secrets,) if isinstance(secrets, str) else secrets))
        self._tolerance = tolerance
        self._clock = clock
        self._heard: OrderedDict[str, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Callbacks, {len(self._keys)} secrets, {len(self._heard)} heard>"

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> None:
        """Raises `CallbackVerificationError` unless the callback is signed with one of the secrets, in time.

        `headers` are the request's, `body` its raw bytes; `now` is in Unix seconds (None: the clock's).
        """
        verify(headers, body, self._keys, tolerance=self._tolerance, now=self._clock() if now is None else now)

    def parse(self, body: bytes) -> CallbackTask:
        """The task that a callback speaks of; what it claims is not proven. Raises `CallbackVerificationError`."""
        return parse_callback(body)

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Takes a callback and returns the HTTP status to answer with; it never raises, and sends nothing itself.

        204: it was received. 400: it cannot be read. 401: there are secrets, and it is signed with none.
        413: it is too large.
        """
        try:
            if len(bytes_of(body)) > MAX_BYTES:
                return TOO_LARGE
            task = self.parse(body)
        except CallbackVerificationError:
            return UNREADABLE
        if self._keys:
            try:
                self.verify(headers, body)
            except CallbackVerificationError:
                return UNSIGNED
        if not self._is_repeated(headers) and task.ended:
            self._tell(task.task_id)
        return RECEIVED

    def _is_repeated(self, headers: Mapping[str, str]) -> bool:
        webhook_id = webhook_id_of(headers)
        if webhook_id is None:
            return False
        repeated = webhook_id in self._heard
        self._heard[webhook_id] = None
        self._heard.move_to_end(webhook_id)
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        return repeated

    def _tell(self, task_id: str) -> None:
        try:
            self._hint(task_id)
        except Exception:  # noqa: BLE001 - a handler that raises is a 500 in the caller's service
            _LOG.exception("a hint of a callback was not taken")


def token_of(key: ApiKey) -> str:
    """A token that stays the same as long as the API key does, and gives nothing of it away.

    The path is a part of every create: were it another one in each run, a job's content would be too.
    Raises `ConfigurationError` for a key that may be another one the next time: one that is asked for, or a JSON web
    token.
    """
    if not isinstance(key, str) or account_of(key) != key:
        raise ConfigurationError("give token=, a long random text that stays the same, for this API key does not")
    return hmac.digest(key.encode("utf-8", "surrogatepass"), b"lipsync_async callbacks", "sha256").hex()[:40]


class CallbackCalls:
    """The client's call about callbacks."""

    _key: ApiKey

    def _hint(self, task_id: str) -> None:
        raise NotImplementedError

    def callbacks(
        self, *, secrets: Sequence[str] | str = (), tolerance: float = 300.0, token: str | None = None
    ) -> Callbacks:
        """Makes a receiver of callbacks, whose hints make this client look sooner at tasks that it waits for.

        `secrets`: those of Kling that sign callbacks, `whsec_...`, several while one is replaced; without any,
        callbacks need no signature, for few gateways pass one on.
        `tolerance`: seconds by which a signed callback may be old.
        `token`: the part of its path that nobody can guess; None: one that follows from the API key.
        Raises `ConfigurationError` for a secret that is no Base64, and where a token is needed.
        """
        return Callbacks(
            self._hint,
            token=token_of(self._key) if token is None else token,
            secrets=secrets,
            tolerance=tolerance,
        )
