"""What the rooms of one run share."""

from __future__ import annotations

from lipsync_async.config import RunOptions

from .account import Account
from .brake import Stop
from .jobbook import Jobbook


class Batch:
    """The jobs of one call: whose account they use, how they are treated, and whether they were stopped.

    Only `run` changes it.
    """

    __slots__ = ("account", "jobbook", "options", "stopped")

    def __init__(self, account: Account, options: RunOptions, jobbook: Jobbook | None) -> None:
        self.account = account
        self.options = options
        self.jobbook = jobbook
        self.stopped: Stop | None = None
