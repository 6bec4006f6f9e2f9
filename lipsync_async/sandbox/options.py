"""What a sandbox may be told; the command has an option for each, by the same name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from lipsync_async.sandbox.choices import check_choices
from lipsync_async.sandbox.webhooks import key_of

LARGEST_VIDEO = 2**31 - 1  # bytes


@attrs.define(kw_only=True, eq=False, repr=False, slots=False, on_setattr=attrs.setters.frozen)
class Options:
    """The options of a sandbox; raises ValueError for a value that is not among those named here."""

    api_key: str = "sandbox-key"
    """The key that is let in."""
    host: str = "127.0.0.1"
    """The address to listen at."""
    port: int = 0
    """The gateway's port; 0 finds a free one."""
    file_port: int = 0
    """The file host's port; 0 finds a free one."""
    max_per_second: float | None = None
    """Creates a second before 1302 is answered; None is no limit."""
    burst: float | None = None
    """Creates that may come at once; None is one second's worth."""
    count_queries: bool = False
    """Queries, lists and the content route count as creates do, and are refused as they are."""
    retry_after: bool = False
    """Send Retry-After (whole seconds) with 1302 and 1303."""
    max_running_tasks: int | None = None
    """Tasks that may run at once before 1303 is answered; None is no limit."""
    task_seconds: tuple[float, float] = (60.0, 180.0)
    """The shortest and the longest life of a task, before scaling."""
    time_scale: float = 1.0
    """How much faster tasks live; 60 lets a minute pass in a second."""
    refresh: float = 0.0
    """Seconds, scaled, that the gateway takes a running task and pass to look at it: what a query tells is as old.

    0: every query tells the task as it is.
    """
    latency: float = 0.0
    """Seconds before every reply."""
    dialect: str = "native"
    """`native`, `openai-video`, `nested`, `hybrid`, `flat` or `camel`."""
    refusals: str = "kling"
    """`kling`, or `new-api` which hides most of what Kling said."""
    duplicates: str = "refuse"
    """`refuse` a known external_task_id, `accept` it as a second task, or `overwrite` the first."""
    lookups: str = "external"
    """Queries find tasks by `external` id too, by `task_id` only, or `none` at all."""
    no_list: bool = False
    """There is no list of tasks, as at most gateways."""
    no_content: bool = False
    """There is no route /v1/videos/{id}/content."""
    store_delay: float = 0.0
    """Seconds, scaled, until a query can find a new task."""
    balance: float | None = None
    """Units that may be spent before 1102 is answered; None is no limit."""
    faults: Mapping[str, float] | None = None
    """The chance of each fault for a create; the names are in `KNOWN_FAULTS`."""
    seed: int = 0
    """Of the dice of faults and tasks."""
    accept_aac: bool = False
    """Take bare AAC."""
    fractional_volumes: bool = False
    """Take volumes like 0.5, and creates without volumes."""
    failed_share: float = 0.02
    """The share of tasks that end as failed, of those that meet no other end."""
    ends: Mapping[str, float] | None = None
    """The chance of each other end for a task; the names are in `KNOWN_ENDS`."""
    faces: Mapping[str, float] | None = None
    """The chance of a video to have other than one face; the names are in `KNOWN_FACES`."""
    identify_tasks: bool = False
    """identify-face is answered as a task, to be asked for at /v1/videos/identify-face/{id}."""
    identify_seconds: float = 3.0
    """Seconds, scaled, that such a task takes."""
    session_seconds: float = 86_400.0
    """Seconds, scaled, until a session has died."""
    check_ids: bool = False
    """Creates need a session, a face and an `audio_id` that this gateway gave."""
    foreign_share: float = 0.0
    """The share of creates that reach an account that does not know the session, as where accounts are pooled."""
    prepare_faults: Mapping[str, float] | None = None
    """The chance of each fault for identify-face and text-to-speech; the names are in `KNOWN_PREPARE_FAULTS`."""
    callbacks: str = "none"
    """What is sent to a create's `callback_url` at each change of its task, where that is on loopback.

    `none`; `task`: the task object; `envelope`: in Kling's envelope; `bare`: the task object without `task_info`.
    """
    callback_secrets: tuple[str, ...] = ()
    """Secrets (`whsec_` and Base64) that callbacks are signed with, all at once as while one rotates."""
    callback_faults: Mapping[str, float] | None = None
    """The chance of each fault for a callback; the names are in `KNOWN_CALLBACK_FAULTS`."""
    urls: str = "signed"
    """Where a finished video is told to be.

    `signed`: at the file host; `content` or `relative`: at the gateway's content route; `data`: in the reply; `none`.
    """
    url_seconds: float = 3600.0
    """Seconds, scaled, until a signed URL has run out."""
    file_faults: Mapping[str, float] | None = None
    """The chance of each fault for a task's file; the names are in `KNOWN_FILE_FAULTS`."""
    video_bytes: int = 0
    """The least size of a video's file; a smaller one is filled up with a box that players skip."""
    slow_seconds: float = 2.0
    """How late a reply is, or how long a file takes, that meets the fault `slow`."""
    ledger_path: str | Path | None = None
    """A file that gets every accepted create as a line of JSON before its reply leaves."""
    report_path: str | Path | None = None
    """A file that gets, when the sandbox closes, a line of JSON a task: its end, money, queries and file requests."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, as time.monotonic gives them; limits and tasks live by it."""

    def check(self) -> None:
        """Raise ValueError for the first value that is wrong; chances are looked at by their dice."""
        check_choices(
            dialect=self.dialect,
            refusals=self.refusals,
            duplicates=self.duplicates,
            lookups=self.lookups,
            urls=self.urls,
            callbacks=self.callbacks,
        )
        for secret in self.callback_secrets:
            key_of(secret)
        check_lives(self.task_seconds, self.failed_share)
        if self.time_scale <= 0:
            raise ValueError("time_scale must be above 0")
        if self.identify_seconds < 0 or self.session_seconds <= 0 or not 0 <= self.foreign_share <= 1:
            raise ValueError("identify_seconds, session_seconds and foreign_share must be seconds, and a share")
        if self.refresh < 0 or self.url_seconds <= 0:
            raise ValueError("refresh must not be below 0, and url_seconds must be above it")
        if not 0 <= self.video_bytes <= LARGEST_VIDEO:
            raise ValueError(f"video_bytes must be from 0 to {LARGEST_VIDEO}")


def check_lives(task_seconds: tuple[float, float], failed_share: float) -> None:
    """Raise ValueError for lives that cannot be."""
    if not 0 <= task_seconds[0] <= task_seconds[1]:
        raise ValueError("task_seconds must be a pair (shortest, longest)")
    if not 0 <= failed_share <= 1:
        raise ValueError("failed_share must be from 0 to 1")
