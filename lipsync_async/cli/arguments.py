"""The commands and their options; nothing heavy is loaded here."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from lipsync_async.about import installed_version
from lipsync_async.gateways import GATEWAY_VARIABLE, GATEWAYS
from lipsync_async.sandbox import add_arguments

from . import kinds
from .parsing import Parser

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[Parser]  # noqa: SLF001 - it has no public name

_EXIT_CODES = """\
exit codes: 0 all accepted (with --wait: all succeeded); 1 some rejected, or their tasks failed; 2 usage or
unreadable list, nothing was sent; 3 stopped, or some not sent; 4 some unknown; 5 some tasks still running, or
without a video (status: or the run is at work); 130 interrupted. The more serious wins: 130, 3, 4, 5, 1.
API keys come from the environment: CHAINHUB_API_KEY, ANYAPI_API_KEY, KLING_API_KEY, else LIPSYNC_API_KEY."""
_JOBS = "the job list: JSONL or CSV; - is standard input (JSONL)"


def make_parser() -> argparse.ArgumentParser:
    """The whole command line; each command names the module that runs it."""
    parser = Parser(
        prog="lipsync-async",
        description="Bulk lip-sync jobs: paced, never paid for twice, one result line per job.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {installed_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _template(commands)
    _check(commands)
    _submit(commands)
    _wait(commands)
    _retry(commands)
    _reconcile(commands)
    _look_up(commands)
    _faces(commands)
    _settle(commands)
    _status(commands)
    _report(commands)
    _journal(commands)
    _feed(commands)
    _work(commands)
    _demo(commands)
    _sandbox(commands)
    return parser


def _add(commands: _Commands, name: str, module: str, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=text[:1].upper() + text[1:] + ".",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(module=module, parser=parser)
    return parser


def _template(commands: _Commands) -> None:
    parser = _add(commands, "template", "template", "write a list to begin with: every sort of job, and what it means")
    parser.add_argument("file", metavar="FILE", help="its name ends in .csv or .jsonl; - is standard output (CSV)")
    parser.add_argument("--overwrite", action="store_true", help="write over a file that is there")


def _check(commands: _Commands) -> None:
    parser = _add(commands, "check", "check", "look through a job list: every fault with its line; sends nothing")
    _add_jobs(parser)
    _add_gateway(parser, required=False)
    parser.add_argument("--max-per-second", type=kinds.above_zero, metavar="R", help="for the estimate of the time")
    _add_list(parser)


def _submit(commands: _Commands) -> None:
    parser = _add(commands, "submit", "submit", "check a job list, then submit it: one result line per job")
    _add_jobs(parser)
    _add_sending(parser)
    parser.add_argument("--skip-invalid", action="store_true", help="send the rest of a list that has broken lines")
    parser.add_argument("--wait", action="store_true", help="wait for the tasks: each result is how its task ended")
    _add_download(parser)
    _add_wait_timeout(parser)
    parser.add_argument(
        "--resubmit",
        type=kinds.kinds,
        default=(),
        metavar="KINDS",
        help="with --wait: submit and pay again what failed for these: capacity, gateway, or both (with a comma)",
    )
    _add_journal(parser)
    _add_talk(parser)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    text = "share the account's limits with other processes: file:/run/lipsync on one machine, or redis://..."
    parser.add_argument("--shared", metavar="URL", help=text)


def _wait(commands: _Commands) -> None:
    parser = _add(commands, "wait", "wait", "wait for the tasks of a journal's jobs, told or not; submits nothing")
    parser.add_argument("journal", metavar="JOURNAL", help="the journal of the run that submitted them")
    _add_gateway(parser)
    _add_shared(parser)
    _add_account(parser)
    _add_download(parser)
    _add_wait_timeout(parser)
    _add_out(parser)
    _add_json(parser)
    _add_timeout(parser)
    _add_trust(parser)
    _add_talk(parser)


def _retry(commands: _Commands) -> None:
    parser = _add(commands, "retry", "retry", "send again what failed and can be sent again: never what is unknown")
    parser.add_argument("journal", metavar="JOURNAL", help="the journal of the run that submitted them")
    parser.add_argument("--jobs", required=True, metavar="JOBS", help="the list that they came from: JSONL or CSV")
    text = "only tasks that failed for a reason of the gateway's, and no jobs that were rejected or not sent"
    parser.add_argument("--failed", action="store_true", help=text)
    _add_sending(parser, limit=False)
    _add_download(parser)
    _add_wait_timeout(parser)
    _add_account(parser)
    _add_trust(parser)
    _add_talk(parser)


def _reconcile(commands: _Commands) -> None:
    parser = _add(commands, "reconcile", "reconcile", "look up what an earlier run left unknown; submits nothing")
    parser.add_argument("journal", metavar="JOURNAL", help="the journal of that run")
    _add_gateway(parser)
    _add_account(parser)
    _add_trust(parser)
    _add_out(parser)
    _add_json(parser)
    _add_timeout(parser)
    _add_talk(parser)


def _look_up(commands: _Commands) -> None:
    parser = _add(
        commands, "look-up", "look_up", "ask the gateway for the task of one external_task_id; submits nothing"
    )
    parser.add_argument("id", metavar="ID", help="the external_task_id")
    _add_gateway(parser)
    _add_timeout(parser)


def _faces(commands: _Commands) -> None:
    parser = _add(commands, "faces", "faces", "identify the faces of a video, which is paid, and show them")
    parser.add_argument("video", metavar="VIDEO", help="its URL, the id that Kling gave it, or a file (with --upload)")
    _add_gateway(parser)
    parser.add_argument("--preview", metavar="DIR", help="put a picture of each face into this folder")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    text = "put a local video there (s3://bucket/prefix), for the gateway to fetch"
    parser.add_argument("--upload", metavar="URL", help=text)
    _add_timeout(parser)


def _settle(commands: _Commands) -> None:
    parser = _add(commands, "settle", "settle", "write down what you found out about a job whose fate is not known")
    parser.add_argument("id", metavar="ID", help="the external_task_id")
    parser.add_argument("--journal", required=True, metavar="FILE", help="the journal of its run")
    fate = parser.add_mutually_exclusive_group(required=True)
    fate.add_argument("--task", metavar="T", help="it was accepted, as this task")
    fate.add_argument(
        "--absent", action="store_true", help="the gateway has no task of it: the next run sends it again"
    )


def _status(commands: _Commands) -> None:
    parser = _add(commands, "status", "journals", "show what a journal knows of its batch")
    parser.add_argument("journal", metavar="JOURNAL", help="the journal; it may be in use")
    parser.set_defaults(export=False)


def _report(commands: _Commands) -> None:
    parser = _add(commands, "report", "report", "tell what came of a batch and what to do next, on a page or in short")
    parser.add_argument("journal", metavar="JOURNAL", help="the journal; it may be in use")
    text = "write a page for a browser, which needs no network; an earlier report is written over"
    parser.add_argument("--html", metavar="FILE", help=text)
    parser.add_argument("--overwrite", action="store_true", help="write over an --html that is no report")


def _feed(commands: _Commands) -> None:
    text = "put a job list into a queue beside a shared journal, for work on any machine; sends nothing"
    parser = _add(commands, "feed", "feed", text)
    parser.add_argument("jobs", metavar="JOBS", help=_JOBS)
    _add_gateway(parser)
    _add_shared_journal(parser)
    parser.add_argument("--limit", type=kinds.count, metavar="N", help="only the first N lines")
    parser.add_argument("--sounds-under", metavar="DIR", help="refuse a sound_path that leads out of this folder")


def _work(commands: _Commands) -> None:
    text = "submit what was fed, beside any number of other machines that do the same"
    parser = _add(commands, "work", "work", text)
    _add_gateway(parser)
    _add_shared_journal(parser)
    _add_limits(parser)
    _add_shared(parser)
    _add_trust(parser)
    parser.add_argument("--until-empty", action="store_true", help="end when nothing is left to do")


def _add_shared_journal(parser: argparse.ArgumentParser) -> None:
    text = "the journal of all machines: postgresql://user@host/database"
    parser.add_argument("--journal", required=True, metavar="URL", help=text)
    _add_account(parser)
    parser.add_argument("--id-prefix", type=kinds.prefix, default="", metavar="P", help="begins every derived id")


def _journal(commands: _Commands) -> None:
    parser = commands.add_parser("journal", help="work with a journal", description="Work with a journal.")
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    export = _add(inner, "export", "journals", "write its result lines")
    export.add_argument("journal", metavar="JOURNAL", help="the journal; it may be in use")
    _add_out(export)
    export.set_defaults(export=True)
    text = "forget what is settled and older than a day; a list that has it once more pays for it again"
    prune = _add(inner, "prune", "prune", text)
    prune.add_argument("journal", metavar="JOURNAL", help="the journal; a file must not be in use")
    which = prune.add_mutually_exclusive_group(required=True)
    which.add_argument("--before", type=kinds.date, metavar="DATE", help="such as 2026-10-31")
    which.add_argument("--all", action="store_true", help="everything that is settled, whenever it was sent")


def _demo(commands: _Commands) -> None:
    parser = _add(commands, "demo", "demo", "the whole way, from 42 jobs to their videos: no key, no network")
    text = "where the videos go (default: a new folder among the temporary ones)"
    parser.add_argument("--download", metavar="DIR", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress, only the tables")


def _sandbox(commands: _Commands) -> None:
    parser = _add(commands, "sandbox", "serve", "run a gateway on loopback, with the limits and faults you choose")
    add_arguments(parser)


# --- groups of options ----------------------------------------------------------------------------------------------


def _add_sending(parser: argparse.ArgumentParser, *, limit: bool = True) -> None:
    """What every command has that submits a list. `limit`: also a part of it."""
    _add_gateway(parser)
    _add_dry_run(parser)
    _add_shared(parser)
    _add_out(parser)
    _add_json(parser)
    _add_limits(parser)
    _add_list(parser, limit=limit)
    parser.add_argument("--max-units", type=kinds.above_zero, metavar="U", help="a spending cap in units at list price")


def _add_account(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", default="default", metavar="LABEL", help="the account's label in the journal")


def _add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust-lookup", action="store_true", help="a task that is not found does not exist")


def _add_gateway(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    text = f"{', '.join(GATEWAYS)} or a base URL, to which /kling/v1/... is appended"
    usual = os.environ.get(GATEWAY_VARIABLE, "").strip() or None
    text += f" (default: {GATEWAY_VARIABLE})"
    needed = required and usual is None
    parser.add_argument("--gateway", required=needed, default=usual, metavar="NAME|URL", help=text)


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        default="-",
        metavar="FILE",
        help="where the results go: JSON lines, or a table where FILE ends in .csv (default: -, stdout)",
    )
    parser.add_argument("--overwrite", action="store_true", help="write over an --out that is not empty")


def _add_json(parser: argparse.ArgumentParser) -> None:
    text = "JSON lines on a terminal too, where results are a table; a file or a pipe gets JSON lines anyway"
    parser.add_argument("--json", action="store_true", help=text)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-in-flight", type=kinds.count, default=64, metavar="N", help="requests under way at once (default: 64)"
    )
    parser.add_argument(
        "--max-per-second", type=kinds.above_zero, metavar="R", help="a cap; without it the rate is learned"
    )
    parser.add_argument("--max-running-tasks", type=kinds.count, metavar="N", help="a cap; without it it is learned")
    _add_timeout(parser)
    parser.add_argument(
        "--max-stall",
        type=kinds.above_zero,
        default=3600.0,
        metavar="S",
        help="stop when nothing was accepted for so long (default: 3600)",
    )
    parser.add_argument(
        "--max-outage",
        type=kinds.above_zero,
        default=900.0,
        metavar="S",
        help="stop when the gateway gave no usable answer for so long (default: 900; 30 where it never gave one)",
    )


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    text = "one HTTP attempt (default: 120; connect: 10)"
    parser.add_argument("--timeout", type=kinds.above_zero, default=120.0, metavar="S", help=text)


def _add_download(parser: argparse.ArgumentParser) -> None:
    text = "put each finished video into this folder, or an s3:// address; implies --wait"
    parser.add_argument("--download", metavar="DIR", help=text)


def _add_wait_timeout(parser: argparse.ArgumentParser) -> None:
    text = "wait for at most so long after the last job came out (default: until all have ended)"
    parser.add_argument("--wait-timeout", type=kinds.above_zero, metavar="S", help=text)
    text = "the age of a task at its first look (default: learned, and 30 before that)"
    parser.add_argument("--first-look", type=kinds.above_zero, metavar="S", help=text)
    text = "queries for tasks, in all (default: 10)"
    parser.add_argument("--max-queries-per-second", type=kinds.above_zero, default=10.0, metavar="R", help=text)


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", metavar="JOBS", nargs="?", help=_JOBS)
    text = "in place of a list: one job for each sound in this folder, whose id is the file's name; with a --video-url"
    parser.add_argument("--sounds", metavar="DIR", help=text)
    parser.add_argument("--video-url", metavar="URL", help="with --sounds: the video of all of them")
    text = "with --sounds: only (default), first, longest, or a face's id"
    parser.add_argument("--face", default="only", metavar="F", help=text)


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    text = "all checks, what would be sent, and what it would cost; sends nothing, and writes nothing"
    parser.add_argument("--dry-run", action="store_true", help=text)


def _add_list(parser: argparse.ArgumentParser, *, limit: bool = True) -> None:
    if limit:
        parser.add_argument("--limit", type=kinds.count, metavar="N", help="only the first N lines")
    parser.add_argument(
        "--id-prefix", type=kinds.prefix, default="", metavar="P", help="begins every external_task_id that is derived"
    )
    text = "refuse a sound_path or video_path that leads out of this folder"
    parser.add_argument("--sounds-under", metavar="DIR", help=text)
    text = "put each video_path, and sounds above 5 MB, there (s3://bucket/prefix), for the gateway to fetch"
    parser.add_argument("--upload", metavar="URL", help=text)


def _add_journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--journal", metavar="FILE", help="remember every job here, and resume from it")
    _add_account(parser)
    parser.add_argument(
        "--ambiguous",
        choices=("lookup", "report", "resend"),
        default="lookup",
        help="what may have been acted upon is looked up (default), reported, or sent again and perhaps paid twice",
    )
    _add_trust(parser)
    parser.add_argument("--retry-rejected", action="store_true", help="send again what an earlier run saw rejected")


def _add_talk(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary on stderr")
    parser.add_argument("-v", "--verbose", action="store_true", help="every attempt, look-up and pause on stderr")
