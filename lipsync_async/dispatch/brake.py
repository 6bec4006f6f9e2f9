"""When sending must pause for reasons other than the account's limits, and when it must end.

Three rules of the contract's section 4, each as plain arithmetic on a `now` (seconds, monotonic) that is handed in:

* Rule 3, the brake on ambiguity.  A gateway that stopped answering would turn every job into an `Unknown`.
  Five ambiguous or failing requests in a row close the gate; single canaries go out after 1, 2, 4 ... 60 s,
  and after `max_outage` (30 s while nothing was ever heard) the batch ends.
  Twenty ambiguous results among the last fifty, that no look-up has found since, close it as well.
  Then an accepted canary lets the next one go at once, until the share has fallen.
* Rule 4, a stop is confirmed.  A refusal that would end the batch closes the gate for a second; the next one of
  its sort ends it, anything else reopens it.
* Rule 5, waiting ends.  Without one accepted job in `max_stall` the refusals end the batch; a reply that hides its
  reason is suspected of hiding an empty account after 20 of them and 900 s.

"Heard" means a reply that says what became of the job.  A 503 with a body in perfect JSON says nothing of that: it
counts as silence, for it is the ambiguous jobs that the brake is there to bound.
"""

from __future__ import annotations

from collections import deque

from attrs import field, frozen

from lipsync_async.config import RetryPolicy
from lipsync_async.terms import Action, Failure, Kind, Phase, Reply, Verdict

ROW = 5
FIRST_WORD = 30.0
LONGEST_PAUSE = 60.0
CONFIRMATION_PAUSE = 1.0
HIDDEN_REFUSALS = 20
HIDDEN_PATIENCE = 900.0
SAME_REJECTIONS = 20
RECENT, MOST_AMBIGUOUS = 50, 20
"""Of so many results, refusals to wait left out, so many ambiguous ones brake."""


@frozen
class Pause:
    """Close the shared gate for so many seconds; then one canary."""

    seconds: float
    message: str = field(default="", eq=False)
    """What went wrong, for people."""
    left: float | None = field(default=None, eq=False)
    """Seconds until the batch is given up, where nothing changes; None: there is no such time."""


@frozen
class Stop:
    """End the batch: what was not sent comes out as `NotSent` with this reason."""

    kind: Kind
    message: str


Order = Pause | Stop | None


class Doubt:
    """One result that may stand for a task that was paid for; a look-up may still find it."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = True


_CLEAR = Doubt()
_CLEAR.open = False


class Brake:
    """The one judge of outages, confirmed stops and stalls; one a client, as the gate is."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.heard = False
        """A reply was understood since the start."""
        self._begin()

    def _begin(self) -> None:
        self._calm = True
        """Nothing but acceptances came since the last one."""
        self._silent = 0
        self._silent_since = self._silent_at = 0.0
        self._last = (Kind.SERVER, "")
        self._paused_at = -1.0
        self._pause = 0.0
        self._stops = 0
        self._stop_asked_at = -1.0
        self._stalled_since: float | None = None
        self._stalled_at = 0.0
        self._hidden = 0
        self._recent: deque[Doubt] = deque(maxlen=RECENT)
        self._crowded_since: float | None = None

    def __repr__(self) -> str:
        if self._stops:
            return "<Brake confirming a stop>"
        return f"<Brake {'on' if self._pause else 'off'}, {self._silent} unanswered in a row>"

    @property
    def on(self) -> bool:
        """The gate is closed for want of answers: what is asked now will hardly be answered."""
        return self._pause > 0

    @property
    def pause(self) -> float:
        """Seconds from one canary to the next; 0.0 while the gate is not closed."""
        return self._pause

    @property
    def doubt(self) -> Doubt | None:
        """The last result, where it is ambiguous: it no longer counts once its `open` is set to False."""
        last = self._recent[-1] if self._recent else _CLEAR
        return None if last is _CLEAR else last

    def accepted(self, now: float) -> Order:
        """A job was accepted."""
        self._recent.append(_CLEAR)
        self.heard = True
        if not self._calm:
            self._calm_down()
        return None if self._crowded_since is None else self._look_at_share(now, self._crowded_since)

    def _calm_down(self) -> None:
        self._calm = True
        self._silent = self._stops = self._hidden = 0
        self._pause = 0.0
        self._stalled_since = None

    def _look_at_share(self, now: float, since: float) -> Order:
        """An accepted canary: while the share of ambiguous results is high, only one goes after the other."""
        if self._is_crowded():
            if now - since >= self._policy.max_outage:
                return self._stop(Stop(Kind.SERVER, f"for {now - since:.0f} s many replies did not say what was done"))
            return Pause(0.0)
        self._crowded_since = None
        return None

    def _is_crowded(self) -> bool:
        return sum(doubt.open for doubt in self._recent) >= MOST_AMBIGUOUS

    def judged(self, now: float, sent_at: float, verdict: Verdict, result: Reply | Failure) -> Order:
        """What a result other than an accepted job asks for; `sent_at` is when its request was admitted."""
        self._calm = False
        match verdict.action:
            case Action.LOOK_UP if verdict.kind is not Kind.DUPLICATE_ID:
                self._recent.append(Doubt())
                return self._unheard(now, sent_at, verdict, result)
            case Action.RETRY:
                return self._unheard(now, sent_at, verdict, result)
            case Action.STOP:
                self._heard_unless(result)
                return self._confirm(now, sent_at, verdict, result)
            case Action.WAIT:
                self._heard()
                return self._stalled(now, sent_at, verdict, result)
            case _:
                self._recent.append(_CLEAR)
                self._heard_unless(result)
                self._stops = 0
                return None

    def _heard(self) -> None:
        """A word of the gateway's; where many replies do not say what was done, only an accepted canary reopens."""
        self.heard = True
        self._silent = 0
        if not self._holds:
            self._pause = 0.0

    @property
    def _holds(self) -> bool:
        """Whether the gate is closed because of a share: refusals between open it no sooner."""
        return self._crowded_since is not None and self._is_crowded()

    def _heard_unless(self, result: Reply | Failure) -> None:
        """A page of HTML is no word of the gateway's, nor is a fault on this side."""
        if isinstance(result, Reply) and not result.html:
            self._heard()

    def _unheard(self, now: float, sent_at: float, verdict: Verdict, result: Reply | Failure) -> Order:
        quiet = sent_at - self._silent_at > self._policy.max_outage
        if not self._silent or quiet:
            self._silent, self._silent_since = 0, now
            if quiet or not self._holds:  # nothing was sent for so long: what went wrong before says nothing of now
                self._pause = 0.0
        self._silent_at = now
        self._silent += 1
        self._last = (verdict.kind or Kind.SERVER, result.message)
        row = self._silent >= ROW
        crowded = not row and verdict.action is Action.LOOK_UP and self._is_crowded()
        if self._crowded_since is not None and not self._is_crowded():
            self._crowded_since = None  # a share that fell is another matter when it rises again
        if crowded and self._crowded_since is None:
            self._crowded_since = now
        since = self._crowded_since if crowded and self._crowded_since is not None else self._silent_since
        if (row or crowded) and now - since >= self._patience:
            return self._give_up(now)
        hint = (result.retry_after if isinstance(result, Reply) else None) or 0.0
        waited = now - self._silent_since if self._silent >= ROW else 0.0  # two failures in a quiet night are no outage
        if hint and waited + hint > self._policy.max_outage:
            return self._stop(Stop(self._last[0], f"no usable answer, and asked to wait for {hint:.0f} s"))
        if not (row or crowded) or (self._pause and sent_at < self._paused_at):
            return None  # what was under way when the gate closed says nothing new
        self._pause = min(LONGEST_PAUSE, self._pause * 2 or 1.0)
        self._paused_at = now + self._pause
        left = since + self._patience - now
        return Pause(min(self._pause, max(left, 0.0)), message=result.message, left=max(left, 0.0))

    def unanswered(self, now: float) -> Stop | None:
        """A look-up got no answer while the gate is closed: where only look-ups are left, none else would end it."""
        return self._give_up(now) if self._pause and now - self._silent_since >= self._patience else None

    @property
    def _patience(self) -> float:
        return self._policy.max_outage if self.heard else min(FIRST_WORD, self._policy.max_outage)

    def _give_up(self, now: float) -> Stop:
        kind, message = self._last
        since = self._silent_since if self._silent >= ROW or self._crowded_since is None else self._crowded_since
        return self._stop(Stop(kind, f"no usable answer for {now - since:.0f} s: {message}"))

    def _confirm(self, now: float, sent_at: float, verdict: Verdict, result: Reply | Failure) -> Order:
        stop = Stop(verdict.kind or Kind.CONFIGURATION, result.message)
        if isinstance(result, Failure) and result.phase < Phase.SENT:
            return self._stop(stop)  # a certificate or an address will be no better in a second
        if self._stops and sent_at < self._stop_asked_at:
            return None  # sent before the question was put
        self._stops += 1
        if self._stops > verdict.confirmations:
            return self._stop(stop)
        self._stop_asked_at = now + CONFIRMATION_PAUSE
        return Pause(CONFIRMATION_PAUSE, message=result.message)

    def _stalled(self, now: float, sent_at: float, verdict: Verdict, result: Reply | Failure) -> Order:
        self._stops = 0
        if self._stalled_since is None or sent_at - self._stalled_at > self._policy.max_stall:
            self._stalled_since, self._hidden = now, 0  # nothing was sent for so long: this is another stall
        self._stalled_at = now
        waited = now - self._stalled_since
        self._hidden += verdict.hidden
        kind = verdict.kind or Kind.RATE
        hint = (result.retry_after if isinstance(result, Reply) else None) or 0.0
        if waited + hint > self._policy.max_stall:
            return self._stop(Stop(kind, f"no job was accepted for {waited:.0f} s (asked to wait {hint:.0f} s more)"))
        if self._hidden >= HIDDEN_REFUSALS and waited >= HIDDEN_PATIENCE:
            text = f"{self._hidden} refusals in {waited:.0f} s without a reason: suspected, the account is used up"
            return self._stop(Stop(Kind.QUOTA, text))
        return None

    def _stop(self, stop: Stop) -> Stop:
        """The end of a batch is a new start for what comes after it on the same client."""
        self._begin()
        return stop


class SameRejection:
    """Rule 4's second half: when the first 20 replies of a batch all reject alike, the list or the profile is wrong."""

    def __init__(self) -> None:
        self._same: tuple[object, str] | None = None
        self._count = 0
        self.over = False
        """A reply differed: the question is closed."""

    def rejected(self, reply: Reply) -> Stop | None:
        """One more rejection; digits in the message (ids, times) do not tell replies apart."""
        key = (reply.code or reply.status, "".join(char for char in reply.message if not char.isdigit()))
        if self._same is None:
            self._same = key
        if key != self._same:
            self.over = True
        self._count += 1
        if self.over or self._count < SAME_REJECTIONS:
            return None
        self.over = True
        return Stop(Kind.CONFIGURATION, f"the first {self._count} replies all reject alike: {reply.message}")
