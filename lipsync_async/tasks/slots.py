"""Where the user told how many tasks may run, every task is followed, so that its end frees its place."""

from __future__ import annotations

from lipsync_async.dispatch.account import Account
from lipsync_async.dispatch.job import Job
from lipsync_async.endings import Ending
from lipsync_async.outcomes import Accepted

from .follower import Follower
from .planner import Listener
from .wanted import wanted_of_job


class Slots:
    """Follows what the client's creates made; the follower tells the pacer of each end."""

    def __init__(self, follower: Follower, account: Account) -> None:
        self._follower = follower
        self._account = account
        self.alone: tuple[Listener, ...] = (self,)

    def accepted(self, job: Job, outcome: Accepted) -> None:
        """A job came out."""
        self._follower.follow(wanted_of_job(job, outcome, self._account.wall_clock()), self)

    def hear(self, task_id: str, ending: Ending | None) -> None:
        """Nobody waits for it here."""
