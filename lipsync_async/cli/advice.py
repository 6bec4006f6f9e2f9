"""What to do next when a run has ended: in this case, and nothing else. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from attrs import frozen

from .tally import Tally

_STOPS = {
    "auth": "correct the API key",
    "quota": "the account is used up, it seems: fill it up, or wait for what it gets next",
    "permission": "the account may not use this: ask the gateway",
    "configuration": "see that --gateway is right",
    "connection": "see that the gateway can be reached from here",
    "timeout": "see that the gateway can be reached from here",
    "server": "the gateway has trouble of its own: try again later",
    "protocol": "see that --gateway is a gateway, and not another site",
    "rate": "the gateway refused all for its rate limit: try again later",
    "capacity": "the gateway had no free place for so long: try again later",
    "storage": "see that there is room on the disk, and that the files can be read",
}
"""By the kind that most of the jobs which were not sent have: what to do before they are sent again."""


_TAKEN = ("rejected", "already_exists")
_MAY_SUCCEED = frozenset({("failed", "capacity"), ("failed", "gateway")})


@frozen(kw_only=True)
class Case:
    """A run that has ended: how it was asked for."""

    gateway: str
    """As it was typed."""
    journal: str | None = None
    account: str = "default"
    wait: bool = False
    download: str | None = None
    jobs: str | None = None
    """The list's file, as it can be typed; None: there is none, or it is not known."""
    capped: bool = False
    """A spending cap ended it."""


def next_steps(tally: Tally, case: Case) -> Iterator[str]:
    """Lines for people, the most urgent first; none where nothing is left to do."""
    yield from _look_up(tally, case)
    yield from _send_again(tally, case)
    yield from _find_the_missing(tally, case)
    yield from _go_on_waiting(tally, case)
    yield from _mend(tally, case)
    if tally.counts["accepted"] and not case.wait and case.journal is not None and not tally.interrupted:
        yield f"next: {_command('wait', case, '--download', 'videos')} waits for the videos and fetches them"


def _look_up(tally: Tally, case: Case) -> Iterator[str]:
    unknown = tally.counts["unknown"]
    if unknown and case.journal is not None:
        yield f"next: {_jobs(unknown)} may have been paid for: {_command('reconcile', case)} finds out"
    elif unknown:
        words = shlex.join(("lipsync-async", "look-up", "ID", "--gateway", case.gateway))
        yield f"next: {_jobs(unknown)} may have been paid for: look each up before it is sent again: {words}"


def _send_again(tally: Tally, case: Case) -> Iterator[str]:
    left = tally.counts["not_sent"]
    if not (left or tally.stopped or tally.interrupted):
        return
    first = "raise --max-units" if case.capped else _STOPS.get(_main_kind(tally), "")
    first = "" if tally.interrupted or not first else f"{first}; then "
    if case.journal is not None:
        yield f"next: {first}run the same command again: --journal {shlex.quote(case.journal)} knows what is done"
    elif left:
        only = "" if _is_all(tally, left) else " with these jobs alone, or with a --journal from the start"
        yield f"next: {first}run it again{only}: {_jobs(left)} {_were(left)} surely not sent"


def _find_the_missing(tally: Tally, case: Case) -> Iterator[str]:
    if tally.missing:
        which = f"{_tasks(tally.missing)} {_were(tally.missing)} not known to {case.gateway}"
        yield f"next: {which}: see that --gateway and the key are those that made them"


def _go_on_waiting(tally: Tally, case: Case) -> Iterator[str]:
    running, missing = tally.counts["running"] - tally.missing, tally.not_fetched
    told = [f"{_tasks(running)} still running"] if running else []
    told += [f"{missing} video{'' if missing == 1 else 's'} not fetched"] if missing else []
    if not told:
        return
    if case.journal is not None:
        options = () if case.download is None else ("--download", case.download)
        yield f"next: {', '.join(told)}: {_command('wait', case, *options)} goes on"
    else:
        yield f"next: {', '.join(told)}: keep the task ids, and submit nothing again (with a --journal, `wait` goes on)"


def _mend(tally: Tally, case: Case) -> Iterator[str]:
    rejected, failed = tally.counts["rejected"], tally.counts["failed"]
    taken = sum(count for (name, kind, _), count in tally.kinds.items() if (name, kind) == _TAKEN)
    rejected -= taken
    if taken:
        which = f"{_jobs(taken)} {_were(taken)} not paid for"
        yield f"next: {which}: tasks have their ids already; keep these, or give new ids"
    if rejected > 0:
        again = " and run it again" if case.journal is not None else ", and submit these lines alone"
        yield f"next: correct the {_jobs(rejected)} that {_were(rejected)} refused{again}"
    may_succeed = sum(count for (name, kind, _), count in tally.kinds.items() if (name, kind) in _MAY_SUCCEED)
    if may_succeed:
        yield _retry(may_succeed, case)
    if failed > may_succeed:
        which = _jobs(failed - may_succeed)
        yield f"next: {which} failed: correct the sound or the video, and submit with a new id"


def _retry(count: int, case: Case) -> str:
    told = f"next: {_tasks(count)} failed for a reason of the gateway's, and may succeed if paid again"
    if case.journal is None:
        return f"{told}: submit these jobs alone with new ids (with a --journal, `retry` does)"
    return f"{told}: {_command('retry', case, '--jobs', case.jobs or 'JOBS')}"


def _main_kind(tally: Tally) -> str:
    kinds = {kind: count for (name, kind, _), count in sorted(tally.kinds.items()) if name == "not_sent"}
    return max(kinds, key=lambda kind: kinds[kind], default="")


def _is_all(tally: Tally, left: int) -> bool:
    return left == tally.total


def _command(name: str, case: Case, *options: str) -> str:
    account = () if case.account == "default" else ("--account", case.account)
    return shlex.join(("lipsync-async", name, case.journal or "", "--gateway", case.gateway, *account, *options))


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"


def _tasks(count: int) -> str:
    return f"{count:,} task{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
