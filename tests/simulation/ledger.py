"""The ledger that tells the truth: every create that was made, and every task that was paid for."""

from __future__ import annotations

from collections import Counter, defaultdict

from attrs import define

from .replies import Answer


@define(kw_only=True, eq=False)
class Task:
    """A task that was made: it costs money."""

    task_id: str
    external_task_id: str
    account: str
    at: float
    ends: float
    found_from: float
    found_until: float
    post: Post | None
    """None: another customer's, or an earlier list's."""


@define(kw_only=True, eq=False)
class Post:
    """One create, as the gateway's side of the line knows it."""

    external_task_id: str
    run: int
    at: float
    authorization: str = ""
    face: str = ""
    content: str = ""
    """What is asked for, whatever the session."""
    fault: str | None = None
    sent: bool = False
    """The last slice was handed over."""
    arrived_at: float | None = None
    reply: Answer | None = None
    told: str = "nothing"
    """What the client could know: `refused`, `unsent`, `doubt`, `accepted`, `nothing`."""


class TokenBucket:
    """A rate limit of the usual kind."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst, self.tokens, self.at = rate, burst, burst, now

    def take(self, now: float) -> float:
        """0.0: taken; else the seconds until there will be a token."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1 - 1e-9:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate


class Ledger:
    """All creates and tasks, whoever asks."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.posts: list[Post] = []
        self.posts_of: defaultdict[str, list[Post]] = defaultdict(list)
        self.made_for_us: defaultdict[str, list[Task]] = defaultdict(list)
        self.by_external: dict[tuple[str, str], Task] = {}
        """By account and external id."""
        self.by_id: dict[str, Task] = {}
        self.violations: list[str] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self.tasks)} tasks after {len(self.posts)} posts>"

    def ours(self, external_task_id: str, until_run: int = 1 << 30) -> list[Task]:
        """The tasks that were made for us under an id, by sends up to a run."""
        made = self.made_for_us.get(external_task_id, ())
        return [task for task in made if task.post is not None and task.post.run <= until_run]

    def counts(self) -> Counter[str]:
        """How many tasks were made for us, by id."""
        return Counter({name: len(tasks) for name, tasks in self.made_for_us.items()})
