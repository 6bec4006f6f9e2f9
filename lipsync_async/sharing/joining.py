"""A client joins those who share its limits, and leaves them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from lipsync_async.config import Limits
from lipsync_async.dispatch.account import LOG, Account
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.pacing.exchange import StopWord
from lipsync_async.dispatch.pacing.kept import OtherVersionError
from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import Gateway
from lipsync_async.wire.credential import ApiKey

from .address import store_at
from .protocol import StoreAwayError
from .turns import SharedPacer


def member_name() -> str:
    """No two processes, nor clients of one, have the same; for people it begins with where it is."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{os.urandom(6).hex()}"


class Sharing:
    """A client's part in limits that are shared; without an address it does nothing."""

    def __init__(self, address: str | None, gateway: Gateway, key: ApiKey, *, required: bool) -> None:
        """Raises `ConfigurationError` for an address that means no store; nothing is opened yet."""
        self._store = None if address is None else store_at(address, gateway, key)
        del key  # the frame of an error holds no key
        self._required = required
        self._pacer: SharedPacer | None = None
        self._telling = True

    @property
    def wanted(self) -> bool:
        """Whether limits are to be shared."""
        return self._store is not None

    async def pacer(self, limits: Limits) -> SharedPacer | None:
        """The pacer in place of the client's own, after its first exchange; None where nothing is shared.

        Raises `ConfigurationError` where the store is not there and has to be.
        """
        if self._store is None:
            return None
        pacer = SharedPacer(self._store, limits, member_name())
        try:
            await pacer.start()
        except (StoreAwayError, OtherVersionError, TimeoutError) as error:
            if self._required and not isinstance(error, OtherVersionError):
                await self._store.aclose()
                why = str(error) or "it did not answer in time"
                raise ConfigurationError(f"the shared limits cannot be reached at {self._store}: {why}") from error
            pacer.alone(error)
        self._pacer = pacer
        return pacer

    def bind(self, account: Account) -> None:
        """From now on the account's door asks the pacer, and what stops one stops all."""
        pacer = self._pacer
        if pacer is None:
            return
        pacer.bind(door=lambda: account.admission.rows, poke=account.admission.poke, stop=self._hear_of(account))
        account.on_stop = self._tell

    def _hear_of(self, account: Account) -> Callable[[StopWord], None]:
        def hear(word: StopWord) -> None:
            LOG.warning("another process was stopped (%s), and so is this one", word.kind)
            self._telling = False  # what others told is not told back
            try:
                account.stop(Stop(word.kind, f"another process was stopped: {word.message}"))
            finally:
                self._telling = True

        return hear

    def _tell(self, stop: Stop) -> None:
        if self._telling and self._pacer is not None:
            self._pacer.stopped(stop.kind, stop.message)

    async def aclose(self) -> None:
        """Tells the others that this process leaves."""
        pacer, self._pacer = self._pacer, None
        if pacer is not None:
            await pacer.aclose()
