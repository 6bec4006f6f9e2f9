"""What the answer to a query means for a task: tables to be read beside the wire contract, section 5a.

An answer ends a task, or says that it runs, or that it is missing, or says nothing of it at all.
Whatever is in doubt says nothing: the task is asked for again, and never *lost* by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

import msgspec

from lipsync_async.endings import FailureKind, Succeeded, TaskFailed, TaskState, Video
from lipsync_async.terms import Failure, TaskStatus
from lipsync_async.wire import TaskReply

NOT_FOUNDS = 3
"""Not-founds that count, over the settle time, by which a task is lost."""


class Sign(Enum):
    """What an answer says of the task that was asked for."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MISSING = "missing"
    """There is no such task, in the platform's words or the gateway's own; alone it proves nothing."""
    KEY = "key"
    """The key is refused: one refresh, else a pause."""
    PAUSE = "pause"
    """The account may not ask now."""
    SLOWER = "slower"
    """Too many queries."""
    NOTHING = "nothing"
    """Trouble, or an answer that cannot be relied upon."""


ENDED = frozenset({Sign.SUCCEEDED, Sign.FAILED})
NOT_TOLD = frozenset({Sign.KEY, Sign.PAUSE, Sign.SLOWER, Sign.NOTHING})
"""Nothing is said of the task."""

SIGNS: Mapping[TaskStatus | None, Sign] = {
    TaskStatus.SUBMITTED: Sign.RUNNING,
    TaskStatus.PROCESSING: Sign.RUNNING,
    TaskStatus.SUCCEED: Sign.SUCCEEDED,
    TaskStatus.FAILED: Sign.FAILED,
    None: Sign.RUNNING,  # it is found, and nothing says that it ended
}
"""A task that is found, by its status."""

CODE_SIGNS: Mapping[int | str, Sign] = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), Sign.KEY),
    **dict.fromkeys((1100, 1101, 1102, 1103, 1304), Sign.PAUSE),
    **dict.fromkeys((1302, 1303), Sign.SLOWER),
}
"""A query that brought no task, by the platform's code; before its HTTP status."""

STATUS_SIGNS: Mapping[int, Sign] = {401: Sign.KEY, 402: Sign.PAUSE, 403: Sign.PAUSE, 429: Sign.SLOWER}
"""The same by its HTTP status; every other says nothing."""

_CAPACITY = r"parallel task|resource pack limit|\b1303\b|concurren|并发|负载已饱和"
"""The platform refused for running tasks after the gateway had accepted."""
_GATEWAY = (
    r"任务超时|^upstream returned (an )?(error|unrecognized message)|task (has )?(timed? ?out|timeout)"
    r"|server (internal (error|timeout)|temporarily unavailable)|\b500[0-2]\b|bad gateway|上游"
)
"""new-api's own words, and trouble behind it: neither says anything of the content."""
_CONTENT = (
    r"risk control|content polic|sensitive|moderation|violat|prohibited|inappropriate|nsfw|\b130[01]\b"
    r"|敏感|违规|违反|审核|风控"
)
_MEDIA = (
    r"\b(face|audio|video|sound|image|voice|session|media|file)s?\b|resolution|duration|format|codec|download"
    r"|人脸|音频|视频|声音|图片|文件|时长|格式|分辨率|下载"
)
REASONS: tuple[tuple[re.Pattern[str], FailureKind], ...] = (
    (re.compile(_CAPACITY, re.IGNORECASE), FailureKind.CAPACITY),
    (re.compile(_GATEWAY, re.IGNORECASE), FailureKind.GATEWAY),
    (re.compile(_CONTENT, re.IGNORECASE), FailureKind.CONTENT),
    (re.compile(_MEDIA, re.IGNORECASE), FailureKind.MEDIA),
)
"""Why a task failed, by its reason; the first that fits, and `unknown` where none does."""


def kind_of(reason: str | None) -> FailureKind:
    """The kind of a failure, by the words that were told for the task; never by the envelope's."""
    text = reason or ""
    return next((kind for pattern, kind in REASONS if pattern.search(text)), FailureKind.UNKNOWN)


def judge_task(answer: TaskReply | Failure, external_task_id: str | None = None) -> Sign:
    """What an answer says of the task that was asked for; of which this is the external id, where it is known."""
    if isinstance(answer, Failure):
        return Sign.NOTHING
    reply = answer.reply
    if answer.found:
        other = reply.external_task_id not in {None, external_task_id} and external_task_id is not None
        return Sign.NOTHING if other else SIGNS[reply.task_status]
    if answer.found is False or answer.gateway_says_none:
        return Sign.MISSING
    if reply.broken or reply.conflicting:
        return Sign.NOTHING
    return CODE_SIGNS.get(reply.code or 0) or STATUS_SIGNS.get(reply.status, Sign.NOTHING)


def trouble_of(answer: TaskReply | Failure) -> str:
    """What came in place of a task, for people: `HTTP 404: no such task`."""
    if isinstance(answer, Failure):
        return f"{answer.kind}: {answer.message}"
    reply = answer.reply
    return f"HTTP {reply.status}: {reply.message or 'no usable answer'}"


def state_of(task_id: str, answer: TaskReply) -> TaskState:
    """What a look at a task that was found told, as a value."""
    reply = answer.reply
    videos: tuple[Video, ...] = ()
    if answer.video_url:
        videos = (Video(url=answer.video_url, watermark_url=answer.watermark_url, seconds=answer.duration),)
    return TaskState(
        task_id=task_id,
        external_task_id=reply.external_task_id,
        status=reply.task_status,
        raw_status=reply.raw_task_status,
        videos=videos,
        units=answer.units,
        reason=answer.reason,
        created_at=reply.created_at,
        updated_at=answer.updated_at,
    )


def ending_of(sign: Sign, state: TaskState, external_task_id: str | None = None) -> Succeeded | TaskFailed:
    """The ending that a look told; `sign` is one of `ENDED`."""
    name = external_task_id or state.external_task_id
    if sign is Sign.FAILED:
        kind, reason = kind_of(state.reason), state.reason or ""
        return TaskFailed(
            task_id=state.task_id, external_task_id=name, state=state, kind=kind, reason=reason, units=state.units
        )
    return Succeeded(
        task_id=state.task_id,
        external_task_id=name,
        state=state,
        videos=state.videos,
        seconds=state.videos[0].seconds if state.videos else None,
        units=state.units,
        ended_at=state.updated_at,
    )


class Absence(msgspec.Struct):
    """The not-founds in a row of one task, as far as they count; times by the follower's clock."""

    count: int = 0
    since: float = 0.0

    def heard(self, now: float, *, witness: bool | None, settle_time: float) -> bool:
        """The task was not found; True: it is lost.

        `witness`: a task that exists was asked for right beside it and found (True), or not found (False: the gateway
        finds nothing now, so all that was counted is in doubt), or there is none, or no telling (None).
        """
        if witness is False:
            self.count = 0
        if not witness:
            return False
        if not self.count:
            self.since = now
        self.count += 1
        return self.count >= NOT_FOUNDS and now - self.since >= settle_time
