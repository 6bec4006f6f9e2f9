"""What a page tells of a batch: a value of bounded size, and the words for how jobs came out. Pure."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from attrs import Factory, define

from lipsync_async.task_results import Money

from .levels import Paces
from .picking import Fair, Reason, Row, Sample, Slowest
from .timeline import Timeline

SUBMITTED, ENDED, REFUSED, NEVER_RAN = range(4)
"""The series of the timeline."""


class Word(NamedTuple):
    """How jobs came out."""

    label: str
    meaning: str
    colour: str
    """The class of the page that has the colour."""


WORDS = {
    "succeeded": Word("succeeded", "there is a video", "good"),
    "accepted": Word("accepted", "paid for; nobody waited for their tasks yet", "good"),
    "unknown": Word("unknown", "may have been paid for", "doubt"),
    "open": Word("open", "under way, or left so by a crash; may have been paid for", "doubt"),
    "failed": Word("failed", "the task ended without a video", "bad"),
    "lost": Word("lost", "the gateway does not know the task any more", "bad"),
    "not_fetched": Word("video not fetched", "the video was made, and is not on disk", "bad"),
    "rejected": Word("rejected", "the job itself was refused; not paid", "bad"),
    "not_sent": Word("not sent", "surely not acted upon; not paid", "idle"),
    "again": Word("submitted again", "the task failed, and the job has a new one", "idle"),
    "running": Word("not seen to end", "paid for; the task goes on at the gateway", "idle"),
}
"""By the name of an outcome or ending; what is to be looked at first comes first, after what went well."""
GOOD = ("succeeded", "accepted")
FAILURES = tuple(name for name in WORDS if name not in GOOD and name != "running")
"""What is shown before all others, in this order."""
KINDS = {
    "rate": "too many requests a second",
    "capacity": "too many running tasks",
    "timeout": "no answer in time",
    "connection": "no connection",
    "server": "an error of the gateway's",
    "protocol": "an answer that cannot be read",
    "cancelled": "broken off by the end of a run",
    "auth": "the API key was refused",
    "quota": "no units left",
    "permission": "the account may not do this",
    "content_policy": "forbidden content",
    "invalid_request": "a wrong request",
    "content": "forbidden content",
    "media": "the sound, the video or the face cannot be worked with",
    "unknown": "for no reason that is known here",
    "gateway": "ended by the gateway on its own",
    "expired": "the video's address ran out",
    "damaged": "no whole video came",
    "storage": "it could not be kept on disk",
}
"""What kinds mean that do not say it themselves."""


@define
class Learned:
    """What a batch found out about its gateway's tasks, in seconds."""

    lasted: tuple[float, ...] = ()
    """The last tasks that were seen to end."""
    half: float | None = None
    """Within which half of them ended; None: too few were seen."""
    nine_of_ten: float | None = None
    freshness: float = 0.0
    """Within which the gateway tells nine ends of ten; 0.0: at once, or not known."""


@define
class Refund:
    """What failed tasks were charged all the same."""

    tasks: int = 0
    told: int = 0
    """Of these the gateway tells what was charged."""
    charged: float = 0.0
    given_back: float = 0.0
    """Units less than the estimate, of those of which both are known."""


@define
class Facts:
    """A batch, as its journal has it."""

    gateway: str = ""
    account: str = ""
    waited: bool = False
    """Somebody waited for tasks: those without an ending are not seen to end."""
    listed: int | None = None
    """Jobs of the list, where the journal knows of one list and no more."""
    counts: Counter[str] = Factory(Counter)
    """Jobs by how they came out, one of `WORDS`; a video that was not fetched counts as succeeded."""
    money: Money = Factory(Money)
    refund: Refund = Factory(Refund)
    fetched: int = 0
    """Videos on disk, or where else they were to go."""
    not_fetched: int = 0
    """Videos that were made, and could not be fetched."""
    fetched_bytes: int = 0
    folder: str = ""
    """Where the last video went to; "" where none was fetched."""
    again_kinds: Counter[str] = Factory(Counter)
    """Of the tasks that failed, and whose jobs may succeed when they are submitted again."""
    tries: Counter[str] = Factory(Counter)
    """Requests that made no task, by kind."""
    recovered: int = 0
    """Jobs whose reply was lost, and whose task a look-up found."""
    timeline: Timeline = Factory(lambda: Timeline(4))
    learned: Learned = Factory(Learned)
    paces: Paces = Factory(Paces)
    """What was found out about the account's limits while runs went on."""
    failures: Fair[Reason] = Factory(Fair)
    unfinished: Sample = Factory(Sample)
    """Jobs that have a task, and no ending."""
    slowest: Slowest = Factory(Slowest)
    good: Sample = Factory(Sample)

    @property
    def jobs(self) -> int:
        """All that were begun."""
        return self.counts.total()

    @property
    def made(self) -> int:
        """Those that came out well, as far as anybody waited."""
        return self.counts["succeeded" if self.waited else "accepted"]

    @property
    def never_begun(self) -> int:
        """Jobs of the list that are not in the journal; 0 where that is not known."""
        return max(0, (self.listed or 0) - self.jobs + self.counts["again"])

    @property
    def not_tried(self) -> int:
        """Videos that were made, and that nobody tried to fetch."""
        return self.counts["succeeded"] - self.fetched - self.not_fetched

    def reasons(self) -> list[tuple[Reason, int, list[Row]]]:
        """Every reason with its count and some of its jobs: those to be looked at first, then the most frequent."""
        rows = self.failures.rows
        found = [(reason, count, rows.get(reason, [])) for reason, count in self.failures.counts.items()]
        return sorted(found, key=lambda it: (FAILURES.index(it[0].came_out), -it[1], it[0]))
