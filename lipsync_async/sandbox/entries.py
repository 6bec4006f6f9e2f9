"""What the ledger tells: an entry for every accepted create, a record for every request of a file."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from lipsync_async.sandbox.ends import Status
from lipsync_async.sandbox.tasks import Task


@attrs.define
class FileRequest:
    """One request of a video's file, and what went with it."""

    task_id: str
    place: str
    """`files`: the file host; `elsewhere`: where it redirects to; `content`: the gateway's own route."""
    method: str
    range: str
    """The header as it was sent; empty where there was none."""
    authorization: bool
    """An Authorization header came along."""
    key: bool
    """A key of the account stood somewhere in the URL or the headers."""
    referer: bool
    cookies: bool
    identity: bool
    """The client asked for the file as it is: `Accept-Encoding: identity`."""
    status: int = 0
    """The HTTP status that was answered; 0: none was."""
    fault: str | None = None
    """What was done to the file's request."""
    sent: int = 0
    """Bytes of the body that were written."""
    whole: bool = False
    """The file's last byte was written, and the head was true."""

    @property
    def leaked(self) -> bool:
        """It told a stranger what is none of its business: the key, the page it came from, or cookies."""
        stranger = self.place != "content"
        return self.referer or self.cookies or (stranger and (self.authorization or self.key))


@attrs.frozen
class Preparation:
    """An identify-face or text-to-speech call that was done and billed."""

    kind: str
    """`identify` or `speech`."""
    source: str
    """The video, without what signs its URL; or voice and text."""
    given: str
    """The session's or the sound's id."""
    units: float
    at: float
    """Seconds since 1970."""
    fault: str | None
    """What was done to the reply."""


@attrs.frozen
class CallbackSent:
    """One POST to a `callback_url`."""

    task_id: str
    status: str
    """What it claims."""
    url: str
    webhook_id: str
    fault: str | None
    """Why it is not as it should be; None: it is."""
    answered: int
    """The HTTP status of the receiver; 0: none came."""


@attrs.define
class Record:
    """What the ledger keeps of an accepted create; only `queries` and `told_at` change."""

    task: Task
    accepted_at: float
    body_sha256: str
    audio_sha256: str | None
    fault: str | None
    queries: int = 0
    told_at: float | None = None


@attrs.frozen
class Entry:
    """One accepted create, and what became of it."""

    external_task_id: str
    """The customer's id; empty where none was given."""
    task_id: str
    accepted_at: float
    """Seconds since 1970."""
    units: float
    """Units billed: 0.5 for every started 5 s of the cropped audio."""
    body_sha256: str
    audio_sha256: str | None
    """The hash of the decoded sound; None for an `audio_id` or a URL."""
    status: Status
    """The task's state at the moment the entry was asked for."""
    fault: str | None = None
    """What was done to the reply."""
    ending: str | None = None
    """How it ended: `succeed`, `failed`, or a name of `KNOWN_ENDS`; None: it runs."""
    ended_at: float | None = None
    """Seconds since 1970; None: it runs."""
    told_at: float | None = None
    """When a query first told its end, in seconds since 1970."""
    refunded: float = 0.0
    """Units that were given back."""
    queries: int = 0
    """Queries and lists that told of it."""
    file_requests: int = 0
    """Requests of its file, at whatever place."""
    fetched: int = 0
    """How often its file came to its last byte."""

    @property
    def charged(self) -> float:
        """Units that it cost in the end."""
        return self.units - self.refunded


def entry_of(record: Record, now: float, files: Iterable[FileRequest] = ()) -> Entry:
    """The entry at a moment of the sandbox's clock, with the requests of its file."""
    task, files = record.task, list(files)
    ended = task.ended(now)
    return Entry(
        external_task_id=task.external_task_id,
        task_id=task.task_id,
        accepted_at=record.accepted_at,
        units=task.units,
        body_sha256=record.body_sha256,
        audio_sha256=record.audio_sha256,
        status=task.status(now),
        fault=record.fault,
        ending=task.ending if ended else None,
        ended_at=record.accepted_at + task.ends - task.created if ended else None,
        told_at=record.told_at,
        refunded=task.refunded if ended else 0.0,
        queries=record.queries,
        file_requests=len(files),
        fetched=sum(it.whole for it in files),
    )
