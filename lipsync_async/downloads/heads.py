"""What the head of a reply means for a download, as a table (contract, section 5b).

Pure: a head and what was asked for go in, one of `Take`, `Again`, `Redirect` and `GiveUp` comes out.

| head                                                            | what is done                                      |
|-----------------------------------------------------------------|---------------------------------------------------|
| 200                                                             | its body is the whole file, from the first byte   |
| 206 that begins at our offset, with the same total and ETag     | its body goes on where the last one was cut       |
| 206 of any other kind, 416                                      | asked again from the first byte                   |
| 301, 302, 303, 307, 308 with a Location                         | followed, by the rules of `addresses`             |
| 400, 401, 403, 404, 410                                         | the task is asked for a fresh URL: `expired`      |
| 408, 425, 429, any 5xx, what makes no sense                     | tried again, as late as Retry-After says          |
| any other 4xx; more bytes than are wanted                       | given up: `refused`                               |

A body may be gone on with only where its length was told, nothing was packed, and its ETag is a strong one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from lipsync_async.endings import DownloadKind
from lipsync_async.wire.hints import read_hint


class Version(msgspec.Struct, frozen=True):
    """One and the same file, so that a second stream may go on where a first one was cut."""

    total: int
    etag: str


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """The body is to be taken."""

    offset: int = 0
    """Of its first byte in the file."""
    length: int | None = None
    """Bytes of this body; None: not told."""
    total: int | None = None
    """Bytes of the file."""
    version: Version | None = None
    """What a later stream may go on with; None: it begins anew."""
    packed: bool = False
    """By gzip, although it was asked not to be; lengths are those of the packed body."""
    by_connection: bool = False
    """The body ends where its connection ends, so that nothing but its boxes says whether it is whole."""


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """To be tried again."""

    reason: str
    kind: DownloadKind = DownloadKind.DAMAGED
    """What it comes to if no try is better."""
    renew: bool = False
    """With a fresh URL."""
    anew: bool = False
    """From the first byte."""
    hint: float | None = None
    """Seconds, as the reply says."""


class Redirect(msgspec.Struct, frozen=True):
    """To be followed."""

    location: str


class GiveUp(msgspec.Struct, frozen=True):
    """No try will be better."""

    kind: DownloadKind
    reason: str


Meaning = Take | Again | Redirect | GiveUp

REDIRECTS = frozenset({301, 302, 303, 307, 308})
RENEWED = frozenset({400, 401, 403, 404, 410})
"""400 is what signed URLs of short-lived credentials answer when those ran out."""
TRIED_AGAIN = frozenset({408, 425, 429})
_STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
_RANGE = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}")


def judge(
    status: int,
    headers: Mapping[str, str],
    *,
    offset: int = 0,
    version: Version | None = None,
    most: int,
    now: float | None = None,
) -> Meaning:
    """What a head means.

    `headers` looks names up whatever their case; `offset` is the first byte that was asked for, `version` the file's.
    `most` are the bytes that a video may have; `now`, in Unix seconds, is for a Retry-After that is a date.
    """
    if status == 200:
        return _whole(headers, most)
    if status == 206:
        return _part(headers, offset, version)
    if status in REDIRECTS and (location := headers.get("Location", "").strip()):
        return Redirect(location)
    words = said(status)
    if status in RENEWED:
        return Again(reason=words, kind=DownloadKind.EXPIRED, renew=True)
    if status == 416:
        return Again(reason=words, anew=True)
    if 400 <= status <= 499 and status not in TRIED_AGAIN:
        return GiveUp(DownloadKind.REFUSED, words)
    return Again(reason=words, hint=read_hint(status, headers, now=now))


def said(status: int) -> str:
    """A status in words; never in the server's, which may hold anything."""
    try:
        return f"the server answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"the server answered {status}"


def _whole(headers: Mapping[str, str], most: int) -> Meaning:
    packing = headers.get("Content-Encoding", "").strip().lower()
    if packing not in {"", "identity", "gzip", "x-gzip"}:
        return Again(reason="the server packed the video in a way that was not asked for", anew=True)
    length = _length_of(headers)
    if length is not None and length > most:
        return GiveUp(DownloadKind.REFUSED, f"the video has {length} bytes, more than the {most} that are allowed")
    packed = packing not in {"", "identity"}
    etag = headers.get("ETag", "").strip()
    resumable = length and not packed and _STRONG.fullmatch(etag)
    return Take(
        length=length,
        total=None if packed else length,
        version=Version(length, etag) if length and resumable else None,
        packed=packed,
        by_connection=length is None and not _is_chunked(headers),
    )


def _part(headers: Mapping[str, str], offset: int, version: Version | None) -> Meaning:
    told = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if version is None or not offset or told is None or headers.get("Content-Encoding", "").strip():
        return Again(reason="a part came that was not asked for", anew=True)
    first, last, total = map(int, told.groups())
    length = _length_of(headers)
    if first != offset or not first <= last < total or length not in {None, last - first + 1}:
        return Again(reason="another part came than was asked for", anew=True)
    if Version(total, headers.get("ETag", "").strip()) != version:
        return Again(reason="the video is not the same any more", anew=True)
    return Take(offset=first, length=last - first + 1, total=total, version=version)


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return "chunked" in headers.get("Transfer-Encoding", "").lower()


def _length_of(headers: Mapping[str, str]) -> int | None:
    """The body's length; none where it comes in chunks, whatever else is told."""
    told = headers.get("Content-Length", "").strip()
    return int(told) if _LENGTH.fullmatch(told) and not _is_chunked(headers) else None
