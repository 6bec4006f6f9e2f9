"""A store in Redis or Valkey, for the processes of many machines. Needs the extra `[redis]`.

*Flat combining*: everybody leaves its report in an inbox, and whoever finds the lock free does the sums for all,
so there are no conflicts however many come at once. Two scripts: *deposit* and *commit*.
All times are the server's; nothing is lost by its failing over or forgetting but what was learned.
A leader that dies holds things up for as long as its lock lasts; the others leave their reports once more then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from lipsync_async.dispatch.pacing.book import Book
from lipsync_async.dispatch.pacing.exchange import Grant, Report
from lipsync_async.unreachable import in_question

from .protocol import StoreAwayError

LOCK = 400
"""Milliseconds for which one process does the sums, at most."""
WAIT = 0.2
"""Seconds until a report that was not answered is left once more."""
TRIES = 3
"""How often a report is left, before the store is taken to be away."""
MOST_ROUNDS = 30
"""Rounds of sums that one process does in a row."""
TIMEOUT = 1.0
"""Seconds for one command."""
SINCE = 1_700_000_000
"""Seconds of the server's clock are counted from here, so that a float tells microseconds."""

DEPOSIT = f"""
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], 10000)
if not redis.call('SET', KEYS[3], ARGV[2], 'NX', 'PX', {LOCK}) then return false end
local inbox = redis.call('LRANGE', KEYS[2], 0, -1)
redis.call('DEL', KEYS[2])
return {{redis.call('TIME'), inbox, redis.call('GET', KEYS[1])}}
"""
COMMIT = f"""
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[2], 'EX', 86400)
for i = 4, #KEYS do
  redis.call('RPUSH', KEYS[i], ARGV[i])
  redis.call('PEXPIRE', KEYS[i], 2000)
end
if ARGV[3] == 'last' then
  redis.call('DEL', KEYS[3])
  return {{redis.call('TIME'), {{}}}}
end
local inbox = redis.call('LRANGE', KEYS[2], 0, -1)
if #inbox == 0 then redis.call('DEL', KEYS[3]) else redis.call('PEXPIRE', KEYS[3], {LOCK}) end
redis.call('DEL', KEYS[2])
return {{redis.call('TIME'), inbox}}
"""

_ENCODER = msgspec.msgpack.Encoder()
_REPORT = msgspec.msgpack.Decoder(Report)
_GRANT = msgspec.msgpack.Decoder(Grant)


class RedisLimits:
    """The book of one account in Redis."""

    def __init__(self, url: str, account: str) -> None:
        """Raises `ValueError` for a URL that Redis has not; nothing is connected yet."""
        url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._home = f"{{lipsync:{account}}}"
        self._keys = [f"{self._home}:{name}" for name in ("state", "inbox", "lock")]
        self._token = os.urandom(8).hex()
        self._deposit = self._client.register_script(DEPOSIT)
        self._commit = self._client.register_script(COMMIT)
        self._leading: set[asyncio.Task[None]] = set()
        self.closing = False

    def __str__(self) -> str:
        where = self._client.connection_pool.connection_kwargs
        place = where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}"
        return f"redis://{place}/{where.get('db') or 0}"

    async def exchange(self, report: Report) -> Grant:
        """One exchange, as `SharedLimits` has it."""
        try:
            for _ in range(TRIES):
                grant = await self._try(report)
                _heed_cancellation()
                if grant is not None:
                    return grant
        except (RedisError, OSError) as error:
            _heed_cancellation()
            raise StoreAwayError(in_words(error)) from error
        raise StoreAwayError("it did not answer in time")

    async def _try(self, report: Report) -> Grant | None:
        """Leaves the report, and does the sums where nobody else does; None: no answer came."""
        taken = await self._deposit(keys=self._keys, args=[_ENCODER.encode(report), self._token])
        if taken is None:
            return await self._wait(report)
        moment, inbox, kept = taken
        lead = _Lead(self, report, kept)
        inbox = await lead.round(moment, inbox)
        if inbox is not None and inbox[1]:  # others came meanwhile; the answer is not held up for them
            task = asyncio.get_running_loop().create_task(lead.go_on(inbox))
            self._leading.add(task)
            task.add_done_callback(self._leading.discard)
        return None if inbox is None else lead.own

    async def _wait(self, report: Report) -> Grant | None:
        """Waits for the answer that another process leaves."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT
        while (left := until - loop.time()) > 0:
            came = await self._client.blpop([self.mailbox(report.member)], timeout=max(0.01, left))
            if came is None:
                return None
            grant = _GRANT.decode(cast("bytes", came[1]))
            if grant.number == report.number:
                return grant
        return None

    def mailbox(self, member: str) -> str:
        """Where a member's answers are left."""
        return f"{self._home}:to:{member}"

    async def commit(self, state: bytes, answers: dict[str, bytes], *, last: bool) -> Any:
        """Writes the state and the answers; the moment and the next reports, or None where the lock was lost.

        `last`: the lock is let go, and what lies in the inbox is left to whoever comes next.
        """
        keys = [*self._keys, *map(self.mailbox, answers)]
        return await self._commit(keys=keys, args=[self._token, state, "last" if last else "", *answers.values()])

    async def aclose(self) -> None:
        """Finishes the sums for others, and disconnects."""
        self.closing = True
        if self._leading:
            await asyncio.wait(self._leading, timeout=TIMEOUT)
        for task in self._leading:
            task.cancel()
        with contextlib.suppress(RedisError, OSError):
            await cast("Any", self._client).aclose()


_REFUSED = "the user name or the password of the URL is refused"
_CURES: Mapping[type[Exception], str] = {
    AuthenticationError: _REFUSED,
    NoPermissionError: "this user may not do what is needed: allow it +@all on the keys {lipsync:*}",
    BusyLoadingError: "it is still reading its data",
}
_NO_PASSWORD = "a password is needed: redis://:PASSWORD@host:6379/0"  # noqa: S105 - none of ours
_SAID: Mapping[str, str] = {
    "HELLO must be called with the client already authenticated": _NO_PASSWORD,
    "Authentication required": _NO_PASSWORD,
    "invalid username-password pair": _REFUSED,
    "WRONGPASS": _REFUSED,
    "DB index is out of range": "that Redis has no database of that number",
}
"""By the beginning of what the server says."""


def in_words(error: Exception) -> str:
    """Why the store did not do it, for people; no password."""
    said = str(error) or type(error).__name__
    beneath = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    known = next((cure for begin, cure in _SAID.items() if said.startswith(begin)), "")
    if known:
        return known
    cure = next((_CURES[kind] for kind in type(error).__mro__ if kind in _CURES), "")
    if cure:
        return f"{cure} [{said}]"
    if isinstance(beneath, OSError) and isinstance(error, OSError | RedisConnectionError):
        return in_question(beneath, "Redis")
    return said


def _heed_cancellation() -> None:
    """The driver makes an error of its own of a cancellation, or nothing at all."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class _Lead:
    """The sums for everybody, for as long as reports come."""

    def __init__(self, store: RedisLimits, report: Report, kept: bytes | None) -> None:
        self._store = store
        self._report = report
        self._kept = kept
        self._book: Book | None = None
        self.own: Grant | None = None

    async def round(self, moment: list[bytes], inbox: list[bytes], *, last: bool = False) -> Any:
        """Applies reports and commits; what came meanwhile, or None where the lock was lost."""
        now = int(moment[0]) - SINCE + int(moment[1]) / 1e6
        if self._book is None:
            self._book = Book.thaw(self._kept, self._report.rules, now)
        answers = {}
        for encoded in inbox:
            try:
                report = _REPORT.decode(encoded)
            except msgspec.MsgspecError:
                continue  # another version's: it is not answered, and its process takes a share
            grant = self._book.exchange(report, now)
            if (report.member, report.number) == (self._report.member, self._report.number):
                self.own = grant
            else:
                answers[report.member] = _ENCODER.encode(grant)
        return await self._store.commit(self._book.freeze(), answers, last=last)

    async def go_on(self, came: Any) -> None:
        """Does the sums until nobody comes any more, or it was done for long enough."""
        rounds = 1
        with contextlib.suppress(RedisError, OSError):
            while came is not None and came[1]:
                rounds += 1
                came = await self.round(*came, last=self._store.closing or rounds >= MOST_ROUNDS)
