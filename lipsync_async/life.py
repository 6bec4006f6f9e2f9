"""A client's life: it begins with its first use or its `async with`, may be stopped, and says how it is."""

from __future__ import annotations

import asyncio
import warnings

import aiohttp

from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.pacing import PacerStatistics
from lipsync_async.dispatch.queries import told_of
from lipsync_async.dispatch.streaming import STOPPED
from lipsync_async.tasks.waiting import Waits
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.verdicts import Finding

from .config import Timeouts
from .errors import ClientClosedError, ConfigurationError
from .given import expect_text
from .outcomes import Accepted, LookUp, Unknown


class Life:
    """What a client is before anybody submits anything with it."""

    # A client whose making failed is shown, and collected, like any other.
    _session: aiohttp.ClientSession | None = None
    _account: Account | None = None
    _timeouts: Timeouts
    _waits: Waits
    _breaking: asyncio.TimerHandle | None = None
    _closed = _stopped = False

    # What the client brings along.

    def _open(self) -> Account:
        raise NotImplementedError

    def __del__(self) -> None:
        if self._session is not None:
            text = f"unclosed {self!r}: use `async with`, or end with `await client.aclose()`"
            warnings.warn(text, ResourceWarning, source=self, stacklevel=1)

    # -- its states -------------------------------------------------------------------------------------------------

    def _ready(self) -> Account:
        """The account, in its event loop; the first use begins it."""
        if self._closed:
            raise ClientClosedError("this client was closed: make another one")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ClientClosedError("a client is used in an event loop: call it inside of an async function") from None
        if self._account is None:
            return self._open()
        if loop is not self._account.loop:
            raise ConfigurationError("a LipSyncClient belongs to the event loop that it began in; make one a loop")
        return self._account

    def _at_work(self) -> Account:
        """The same for what may be paid for: a client that was stopped begins nothing."""
        if self._stopped and not self._closed:
            raise ClientClosedError("this client was stopped: this call sent nothing, and no other will")
        return self._ready()

    def _begun(self) -> Account:
        """The account, from any thread."""
        if self._account is None or self._closed:
            raise ClientClosedError("this client was closed" if self._closed else "this client has not begun")
        return self._account

    def stop(self) -> None:
        """Ends all that is under way, in good order: for a service that is to end.

        Nothing new is sent: jobs that were not sent end as `NotSent`, and calls that submit raise `ClientClosedError`.
        Requests in flight have `Timeouts.grace` seconds, then they are broken off; every job is told by the call that
        handed it in.
        Tasks are waited for no longer: they go on at the gateway, and are told as `StillRunning`.
        What pays for nothing (`get_task`, `wait`, `look_up`, `reconcile`, `follow`, `download`) can still be called.
        It is called in the client's event loop, such as by `loop.add_signal_handler(SIGTERM, client.stop)`.
        """
        self._stopped = True
        account = self._account
        if account is None or self._closed:
            return
        account.stop(STOPPED)
        self._waits.stop()
        if self._breaking is None and account.runs:
            self._breaking = account.loop.call_later(self._timeouts.grace, self._break_off)

    def _break_off(self) -> None:
        """The grace is over."""
        self._breaking = None
        if self._account is not None:
            for run in tuple(self._account.runs):
                run.break_off()
        self._waits.stop(at_once=True)

    # -- what it knows ----------------------------------------------------------------------------------------------

    def waiting_for(self) -> str:
        """Returns what delays the next request, for a display: "rate", "gate", "running tasks" ..., or "" for nothing.

        From any thread. Raises `ClientClosedError` where the client has not begun, or was closed.
        """
        account = self._begun()
        return account.pacer.waiting_for(account.loop.time())

    def statistics(self) -> PacerStatistics:
        """Returns what was learned about the account.

        From any thread. Raises `ClientClosedError` where the client has not begun, or was closed.
        """
        return self._begun().pacer.statistics()

    def outcome_of(self, external_task_id: str) -> Accepted | Unknown | None:
        """What the client's last job of that id came out as, accepted or unknown, told or not; else None.

        The last 10,000 are remembered.
        """
        job = self._ready().registry.recall(external_task_id)
        return job.outcome if job is not None and isinstance(job.outcome, Accepted | Unknown) else None

    async def look_up(self, external_task_id: str) -> LookUp:
        """Asks the gateway for the task of an id; sends nothing. Raises `ConfigurationError` where there is no key."""
        account, flight = self._ready(), Flight()
        expect_text("external_task_id", external_task_id)
        with account.wire.watching(flight):
            answer, finding = await account.queries.look_up(external_task_id, flight, fresh=False)
            if finding is not Finding.FOUND:
                answer, finding = await account.queries.look_up(external_task_id, flight)
        return told_of(external_task_id, answer, finding)
