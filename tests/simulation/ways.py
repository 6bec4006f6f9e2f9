"""How a gateway behaves, as data: what it loses, hides, forgets and mixes up."""

from __future__ import annotations

from attrs import Factory, define

BEFORE = (
    "connect_refused", "connect_hang", "reset_sending", "stall_sending",
    "lost_before", "hang_before", "502_before", "503_before", "html_before",
)  # fmt: skip
"""Faults after which no task was made."""
AFTER = (
    "lost_after", "hang_after", "late", "502_after", "504_after", "500_after", "unreadable", "truncated", "no_task_id",
)  # fmt: skip
"""Faults after which one was, or will be."""
SLOW = "slow"
"""The create goes on behind the gateway long after the client has hung up."""
SWAPPED = "swapped"
"""The reply is that of another job."""
IN_DOUBT = frozenset({*AFTER, SLOW, SWAPPED})
UNSENT = frozenset({"connect_refused", "connect_hang", "reset_sending", "stall_sending"})
"""Faults that come before the last slice of the body was handed over."""
NEVER = (1e12, 1e12)


@define(kw_only=True)
class Ways:
    """How a gateway behaves; times in seconds."""

    latency: float = 0.05
    jitter: tuple[float, float] = (0.7, 1.5)
    """Every wait is so many times as long: neighbours change places."""
    upload: float = 0.0
    rate: float | None = None
    """Creates a second before 1302."""
    burst: float = 1.0
    hints: bool = False
    """Refusals carry a Retry-After."""
    giant: float = 0.0
    """One refusal, or one failure, carries this Retry-After."""
    masked: bool = False
    """A 429 does not say why."""
    slots: int | None = None
    """Tasks that run at once before 1303."""
    task_seconds: tuple[float, float] = (60.0, 180.0)
    duplicates: str = "refuse"
    """`refuse` or `accept` a second task under one id."""
    lookups: str = "external"
    """`external`, `task_id` only, `none` (no such route), or `broken` (500)."""
    lookup_faults: float = 0.0
    lookup_latency: float = 0.05
    store_delay: float = 0.0
    """A task can be found so much later."""
    forgets_after: float = 1e12
    cache_seconds: float = 0.0
    """A cache in front of every GET keeps its answer for so long, by URL."""
    cache_obeys: bool = False
    """It lets pass what says `Cache-Control: no-cache`."""
    route_gone: tuple[float, float] = NEVER
    """Between these moments the route of the look-ups is not there."""
    route_words: str = "detail"
    """What is said then: a name in `replies.FRAMEWORKS`."""
    blind: float = 0.0
    """The share of look-ups that a machine answers which knows no task."""
    anything: str = "no"
    """What a GET for an id that is not there brings: `no` task, the `named` last task, or it `bare` of its id."""
    lists: bool = False
    page_cap: int = 500
    """Tasks of a page of the list, whatever is asked for."""
    pages: str = "steady"
    """`steady`, `shift` (rows move while pages are read), or `stuck` (always the first page)."""
    faults: dict[str, float] = Factory(dict)
    late_by: float = 5.0
    """A late task begins so long after its request arrived."""
    slow_by: tuple[float, float] = (20.0, 100.0)
    """So long a create goes on that its client gave up."""
    swap_named: bool = True
    """A reply that was swapped tells the id of the job that it belongs to."""
    dark: tuple[float, float] = NEVER
    """Between these moments nothing is served."""
    darkness: str = "502"
    """`502`, `connect_refused`, `hang_before` or `lost_before`."""
    key_dies_at: float = 1e12
    key_code: int = 1002
    token_life: float = 1e12
    """A token is refused as expired so long after it was made (JSON web tokens)."""
    balance: float = 1e12
    """Tasks that are still paid for."""
    clock_error: float = 0.0

    def heal(self) -> None:
        """All is well from now on, but what the gateway can't do it still can't."""
        self.faults, self.lookup_faults, self.dark, self.route_gone = {}, 0.0, NEVER, NEVER
        self.key_dies_at = self.token_life = self.balance = 1e12
        self.giant = 0.0
