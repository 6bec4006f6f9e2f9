"""What to do next with a batch: in words, and as the exact command. Pure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from lipsync_async.gateways import GATEWAYS

from .facts import Facts
from .texts import number

YOUR_LIST = "YOUR-LIST"
"""Stands for the list of jobs in a command: a journal does not know where it is."""
FOLDER = "videos"
"""Where videos may go, where none was fetched yet."""


class Advice(NamedTuple):
    """One thing to do."""

    text: str
    command: str = ""
    """To be typed as it is; "" where none helps."""


def advise(facts: Facts, journal: str) -> list[Advice]:
    """What is left to do, the most urgent first; `journal` is the path as it is to be typed."""
    return [*_find_out(facts, journal), *_go_on(facts, journal), *_finish(facts, journal), *_mend(facts, journal)]


def export_command(journal: str) -> str:
    """What writes every job."""
    return _command("journal", "export", journal, "--out", "all.jsonl")


def _find_out(facts: Facts, journal: str) -> Iterator[Advice]:
    doubtful = facts.counts["unknown"] + facts.counts["open"]
    if doubtful:
        first = "Once no run has the journal any more, look" if facts.counts["open"] else "Look"
        them = "it" if doubtful == 1 else "them"
        text = f"{_jobs(doubtful)} may have been paid for. {first} {them} up before anything is sent again."
        yield Advice(text, _to_gateway(facts, "reconcile", journal))


def _go_on(facts: Facts, journal: str) -> Iterator[Advice]:
    not_sent, fresh = facts.counts["not_sent"], facts.never_begun
    if not_sent or fresh:
        told = [f"{_jobs(not_sent)} did not get through"] if not_sent else []
        told += [f"{_jobs(fresh)} of the list {_were(fresh)} never begun"] if fresh else []
        text = f"{' and '.join(told)}: run the same command again. What was paid for is not sent again."
        yield Advice(text, _submit(facts, journal))


def _finish(facts: Facts, journal: str) -> Iterator[Advice]:
    left = facts.counts["running"] + facts.counts["accepted"]
    to_fetch = facts.not_fetched + facts.not_tried
    fetches = bool(to_fetch or facts.fetched)
    told = [f"{_jobs(left)} {'has' if left == 1 else 'have'} a task that was not seen to end"] if left else []
    if facts.not_fetched:
        told.append(f"{_videos(facts.not_fetched)} could not be fetched")
    if facts.not_tried:
        told.append(f"{_videos(facts.not_tried)} {_were(facts.not_tried)} not fetched, and their addresses run out")
    if told:
        options = ("--download", _folder_of(facts.folder) or FOLDER) if fetches else ()
        yield Advice(f"{'; '.join(told)}: go on from the journal.", _to_gateway(facts, "wait", journal, *options))


def _mend(facts: Facts, journal: str) -> Iterator[Advice]:
    failed, kinds = facts.again_kinds.total(), ",".join(sorted(facts.again_kinds))
    if failed:
        text = f"{_jobs(failed)} failed for a reason of the gateway's: under a new id, paid anew, they may succeed."
        yield Advice(text, _submit(facts, journal, "--wait", "--resubmit", kinds))
    others = facts.counts["failed"] - failed
    if others:
        text = "the table says why. Mend the sound or the video, and submit them under a new id."
        yield Advice(f"{_jobs(others)} failed: {text}" if not failed else f"{_jobs(others)} failed otherwise: {text}")
    if facts.counts["rejected"]:
        text = f"{_jobs(facts.counts['rejected'])} {_were(facts.counts['rejected'])} refused"
        text += f": correct {'it' if facts.counts['rejected'] == 1 else 'them'} in the list."
        yield Advice(f"{text} What is not changed is sent again with --retry-rejected alone.", _submit(facts, journal))
    if facts.counts["lost"]:
        yield Advice(f"Tasks that the gateway does not find any more: {number(facts.counts['lost'])}. Ask it for them.")


# --- commands --------------------------------------------------------------------------------------------------------


def _submit(facts: Facts, journal: str, *options: str) -> str:
    return _to_gateway(facts, "submit", YOUR_LIST, "--journal", journal, *options)


def _to_gateway(facts: Facts, command: str, target: str, *options: str) -> str:
    gateway = ("--gateway", gateway_name(facts.gateway)) if facts.gateway else ()
    account = ("--account", facts.account) if facts.account not in {"", "default"} else ()
    return _command(command, target, *gateway, *account, *options)


def gateway_name(base_url: str) -> str:
    """The name of the gateway with that address, for the command line; the address itself where it has none."""
    return next((name for name, gateway in GATEWAYS.items() if gateway.base_url == base_url), base_url)


def _command(*words: str) -> str:
    return shlex.join(("lipsync-async", *words))


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0] if "://" in path else os.path.dirname(path)  # noqa: PTH120 - it may be no path here


def _jobs(count: int) -> str:
    return f"{number(count)} job{'' if count == 1 else 's'}"


def _videos(count: int) -> str:
    return f"{number(count)} video{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
