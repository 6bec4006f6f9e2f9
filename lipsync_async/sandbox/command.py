"""Running the sandbox alone; the command `lipsync-async sandbox` reuses both functions."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from lipsync_async.sandbox.ends import KNOWN_ENDS
from lipsync_async.sandbox.faults import KNOWN_FAULTS, KNOWN_PREPARE_FAULTS
from lipsync_async.sandbox.file_faults import KNOWN_FILE_FAULTS
from lipsync_async.sandbox.sessions import KNOWN_FACES
from lipsync_async.sandbox.webhooks import KNOWN_CALLBACK_FAULTS

# Written out, not imported from the tables: `--help` must not load aiohttp. A test compares them.
CHOICES = {
    "dialect": ("native", "openai-video", "nested", "hybrid", "flat", "camel"),
    "refusals": ("kling", "new-api"),
    "duplicates": ("refuse", "accept", "overwrite"),
    "lookups": ("external", "task_id", "none"),
    "urls": ("signed", "content", "relative", "data", "none"),
    "callbacks": ("none", "task", "envelope", "bare"),
}
# option: (field of Sandbox, what its names are, the names)
CHANCES: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "fault": ("faults", "a fault and its chance for each create", KNOWN_FAULTS),
    "end": ("ends", "another end and its chance for each task", KNOWN_ENDS),
    "faces": ("faces", "what a video has beside one face, and its chance", KNOWN_FACES),
    "callback-fault": ("callback_faults", "a fault and its chance for each callback", KNOWN_CALLBACK_FAULTS),
    "prepare-fault": (
        "prepare_faults",
        "a fault and its chance for each such call",
        KNOWN_PREPARE_FAULTS,
    ),
    "file-fault": ("file_faults", "a fault and its chance for each task's file", KNOWN_FILE_FAULTS),
}
# option: (type, default, help); the names are those of Sandbox's own arguments.
VALUES: dict[str, tuple[type, Any, str]] = {
    "api-key": (str, "sandbox-key", "the key that is let in"),
    "host": (str, "127.0.0.1", "the address to listen at"),
    "port": (int, 0, "the gateway's port; 0 finds a free one"),
    "file-port": (int, 0, "the port of the file host, an origin of its own; 0 finds a free one"),
    "max-per-second": (float, None, "creates a second before 1302 is answered"),
    "burst": (float, None, "creates that may come at once; default: one second's worth"),
    "max-running-tasks": (int, None, "tasks that may run at once before 1303 is answered"),
    "time-scale": (float, 1.0, "how much faster tasks live; 60: a minute passes in a second"),
    "refresh": (
        float,
        0.0,
        "seconds, scaled, a running task and pass, as new-api looks at them: ends are told late",
    ),
    "latency": (float, 0.0, "seconds before every reply"),
    "store-delay": (float, 0.0, "seconds, scaled, until a query can find a new task"),
    "balance": (float, None, "units that may be spent before 1102 is answered"),
    "seed": (int, 0, "seed of faults and tasks"),
    "failed-share": (float, 0.02, "the share of tasks that end as failed, of those that meet no other end"),
    "session-seconds": (float, 86_400.0, "seconds, scaled, until a session has died"),
    "identify-seconds": (float, 3.0, "seconds, scaled, that an identify task takes"),
    "foreign-share": (float, 0.0, "the share of creates that reach an account without the session"),
    "url-seconds": (float, 3600.0, "seconds, scaled, until a signed URL has run out"),
    "video-bytes": (int, 0, "the least size of a video's file"),
    "slow-seconds": (float, 2.0, "how late a reply is, or how long a file takes, that meets the fault `slow`"),
    "ledger-path": (str, None, "a file that gets every accepted create as a line of JSON"),
    "report-path": (str, None, "a file that gets at the end a line of JSON a task: its end, money and file requests"),
}
FLAGS = {
    "count-queries": "queries count against --max-per-second as creates do",
    "no-list": "have no list of tasks, as most gateways",
    "no-content": "have no route /v1/videos/ID/content",
    "retry-after": "send Retry-After with 1302 and 1303",
    "identify-tasks": "answer identify-face as a task",
    "check-ids": "creates need a session, a face and an audio_id that were given here",
    "accept-aac": "take bare AAC",
    "fractional-volumes": "take volumes like 0.5, and creates without volumes",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sandbox's options to a parser."""
    for name, (kind, default, text) in VALUES.items():
        shown = "" if default is None else f" (default: {default})"
        parser.add_argument(f"--{name}", type=kind, default=default, help=text + shown)
    for name, known in CHOICES.items():
        parser.add_argument(f"--{name}", choices=known, default=known[0], help=f"default: {known[0]}")
    for name, text in FLAGS.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument(
        "--callback-secret",
        dest="callback_secrets",
        action="append",
        default=[],
        metavar="WHSEC",
        help="sign callbacks with it; given twice, with both",
    )
    parser.add_argument(
        "--task-seconds",
        type=float,
        nargs=2,
        default=(60.0, 180.0),
        metavar=("SHORTEST", "LONGEST"),
        help="the life of a task, before scaling (default: 60 180)",
    )
    for name, (_, what, names) in CHANCES.items():
        parser.add_argument(
            f"--{name}",
            type=partial(_chance, what=name.replace("-", " "), known=names),
            action="append",
            default=[],
            metavar="NAME=CHANCE",
            help=f"{what}, may be given several times: {', '.join(names)}",
        )


def serve(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM, then print the ledger's summary; gives the exit code."""
    from lipsync_async.sandbox.server import Sandbox

    names = [name.replace("-", "_") for name in (*VALUES, *CHOICES, *FLAGS)]
    options: dict[str, Any] = {name: getattr(args, name) for name in names}
    options |= {field: dict(getattr(args, name.replace("-", "_"))) for name, (field, _, _) in CHANCES.items()}
    try:
        sandbox = Sandbox(
            **options, task_seconds=tuple(args.task_seconds), callback_secrets=tuple(args.callback_secrets)
        )
        asyncio.run(_until_told(sandbox))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    _say(sandbox.ledger.summary())
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run as `python -m lipsync_async.sandbox`."""
    parser = argparse.ArgumentParser(
        prog="python -m lipsync_async.sandbox", description="A gateway on loopback for advanced lip sync."
    )
    add_arguments(parser)
    return serve(parser.parse_args(argv))


async def _until_told(sandbox: Any) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with sandbox:
        _say(f"listening on {sandbox.base_url}\nvideos at {sandbox.file_url}\nAPI key: {sandbox.api_key}")
        await stop.wait()


def _chance(given: str, what: str, known: Mapping[str, str]) -> tuple[str, float]:
    name, _, chance = given.partition("=")
    if name not in known:
        raise argparse.ArgumentTypeError(f"unknown {what} {name!r}; known are {', '.join(known)}")
    try:
        return name, float(chance)
    except ValueError:
        raise argparse.ArgumentTypeError(f"write it as {name}=0.05") from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
