"""What became of the jobs, counted, and the exit code that says so."""

from __future__ import annotations

from collections import Counter

from attrs import Factory, define

from lipsync_async.outcomes import Accepted, NotSent, Outcome

ACCEPTED, REJECTED, USAGE, NOT_SENT, UNKNOWN, INTERRUPTED = 0, 1, 2, 3, 4, 130


@define
class Tally:
    """A batch in figures, as it goes."""

    counts: Counter[str] = Factory(Counter)
    """By outcome."""
    kinds: Counter[tuple[str, str, str]] = Factory(Counter)
    """By outcome, kind and message, of what is no success; at most a hundred different ones."""
    recovered: int = 0
    replayed: int = 0
    attempts: int = 0
    refusals: int = 0
    interrupted: bool = False
    stopped: bool = False

    @property
    def total(self) -> int:
        """Jobs that came out."""
        return self.counts.total()

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.counts[outcome.name] += 1
        self.attempts += outcome.attempts
        self.refusals += outcome.refusals
        if isinstance(outcome, Accepted):
            self.recovered += outcome.recovered and not outcome.replayed
            self.replayed += outcome.replayed
            return
        key = (outcome.name, outcome.kind.value, outcome.message if isinstance(outcome, NotSent) else "")
        if key in self.kinds or len(self.kinds) < 100:
            self.kinds[key] += 1

    def exit_code(self) -> int:
        """The more serious wins: 130, 3, 4, 1."""
        if self.interrupted:
            return INTERRUPTED
        if self.stopped or self.counts["not_sent"]:
            return NOT_SENT
        if self.counts["unknown"]:
            return UNKNOWN
        return REJECTED if self.counts["rejected"] else ACCEPTED

    def __str__(self) -> str:
        others = [name for name in ("rejected", "unknown", "not_sent") if self.counts[name]]
        told = [f"{self.counts['accepted']} accepted{self._how()}"]
        return ", ".join([*told, *(f"{self.counts[name]} {name.replace('_', ' ')}" for name in others)])

    def _how(self) -> str:
        told = [f"{self.replayed} by an earlier run"] if self.replayed else []
        told += [f"{self.recovered} found by a look-up"] if self.recovered else []
        return f" ({', '.join(told)})" if told else ""

    def reasons(self) -> list[str]:
        """Why the others did not end as accepted, most frequent first."""
        return [
            f"{count} {name.replace('_', ' ')}: {kind}{f' ({message})' if message else ''}"
            for (name, kind, message), count in self.kinds.most_common(8)
        ]
