"""What makes a URL look as if the gateway will not get the sound from it; warnings all, for who knows what it can."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from lipsync_async.errors import Violation

from .texts import invisible

SOON = 6 * 3600
"""Seconds; a signature that ends sooner may be over before a long list comes to it."""
_ODD_SOUNDS = frozenset(
    {".ogg", ".oga", ".opus", ".flac", ".wma", ".amr", ".aiff", ".aif", ".webm", ".mkv", ".avi", ".mov", ".ape", ".caf"}
)
_ODD_VIDEOS = frozenset(
    {".webm", ".mkv", ".avi", ".flv", ".wmv", ".gif", ".m3u8", ".ts", ".mpg", ".mpeg", ".mp3", ".wav"}
)
_PRIVATE = (".local", ".localhost", ".internal", ".intranet", ".lan", ".home", ".corp", ".test", ".invalid")
_SHARING = frozenset(
    {
        "docs.google.com",
        "1drv.ms",
        "onedrive.live.com",
        "we.tl",
        "wetransfer.com",
        "youtube.com",
        "youtu.be",
        "mega.nz",
        "pan.baidu.com",
        "alipan.com",
        "aliyundrive.com",
        "icloud.com",
        "soundcloud.com",
        "mediafire.com",
    }
)
_STAMP = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)?")


def sound_link_warnings(path: str, url: str, now: float) -> Iterator[Violation]:
    """Of a sound's URL; `now` is in Unix seconds."""
    yield from _file_warnings(path, url, now, _ODD_SOUNDS, "mp3, wav and m4a are taken")


def video_link_warnings(path: str, url: str, now: float) -> Iterator[Violation]:
    """Of a video's URL; `now` is in Unix seconds."""
    yield from _file_warnings(path, url, now, _ODD_VIDEOS, "mp4 and mov are taken")


def _file_warnings(path: str, url: str, now: float, odd: frozenset[str], taken: str) -> Iterator[Violation]:
    yield from link_warnings(path, url)
    parts = _split(url)
    if parts is None:
        return
    fields = _fields(parts)
    if share := _share_page(parts, fields):
        yield _warning(path, "url_share_page", f"is a page about the file, it seems: {share}")
    suffix = PurePosixPath(unquote(parts.path)).suffix.lower()
    if suffix in odd:
        yield _warning(path, "url_format", f"ends in {suffix}: {taken}")
    yield from _expiry_warnings(path, fields, now)


def link_warnings(path: str, url: str) -> Iterator[Violation]:
    """Of any URL that the gateway is to call."""
    if told := invisible(url):
        yield _warning(path, "invisible_character", f"holds {told}")
    if "\\" in url:
        yield _warning(path, "url_backslash", "holds a backslash: the parts of a URL are parted by /")
    parts = _split(url)
    host = parts.hostname if parts else None
    if host and _is_private(host.rstrip(".").lower()):
        yield _warning(path, "url_private", f"names {host[:64]}, which the gateway cannot reach from where it is")


def _warning(path: str, rule: str, message: str) -> Violation:
    return Violation(path, rule, message, "warning")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url.replace("\\", "/"))
    except ValueError:
        return None


def _fields(parts: SplitResult) -> dict[str, str]:
    """The query's fields, names in small letters."""
    try:
        return {
            name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True, max_num_fields=200)
        }
    except ValueError:
        return {}


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        pass
    return "." not in host or host.endswith(_PRIVATE)


def _share_page(parts: SplitResult, fields: dict[str, str]) -> str:
    """How to get at the file itself; "" where the URL is no page that is known."""
    host, way = (parts.hostname or "").removeprefix("www."), parts.path
    if host == "drive.google.com":
        return "" if way.startswith("/uc") else "use https://drive.google.com/uc?export=download&id=..."
    if host == "dropbox.com":
        return "" if fields.get("dl") == "1" or "raw" in fields else "end it with dl=1 instead of dl=0"
    if host == "github.com" and "/blob/" in way:
        return "use the raw file's URL"
    if host in _SHARING or host.endswith((".sharepoint.com", ".wetransfer.com")):
        return "use the URL that the download itself comes from"
    return ""


# --- when a signature ends ------------------------------------------------------------------------------------------


def _expiry_warnings(path: str, fields: dict[str, str], now: float) -> Iterator[Violation]:
    ends = _ends(fields)
    if ends is None:
        return
    moment = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if ends <= now:
        yield _warning(path, "url_expired", f"ended at {moment}: sign it anew")
    elif ends - now < SOON:
        minutes = round((ends - now) / 60)
        yield _warning(path, "url_expires_soon", f"ends at {moment}, in {minutes} minutes: a long list may be too slow")


def _ends(fields: dict[str, str]) -> float | None:
    """Unix seconds, by whichever signature it is; None where nothing tells."""
    for prefix in ("x-amz", "x-goog", "x-oss", "x-tos", "x-obs"):
        begun, lasts = _moment(fields.get(f"{prefix}-date")), _number(fields.get(f"{prefix}-expires"))
        if begun is not None and lasts is not None:
            return _sane(begun + lasts)
    if "signature" in fields or "key-pair-id" in fields or "token" in fields:
        return _sane(_number(fields.get("expires")))
    if "sig" in fields:
        return _sane(_moment(fields.get("se")))
    if "q-sign-time" in fields:
        return _sane(_number(fields["q-sign-time"].rpartition(";")[2]))
    if {"ex", "is", "hm"} <= fields.keys():
        return _sane(_number(fields["ex"], 16))
    return None


def _sane(seconds: float | None) -> float | None:
    """A moment between 2001 and 2100: anything else is no time."""
    return seconds if seconds is not None and 1e9 < seconds < 4.1e9 else None


def _number(text: str | None, base: int = 10) -> float | None:
    try:
        return float(int(text, base)) if text and len(text) < 20 else None
    except ValueError:
        return None


def _moment(text: str | None) -> float | None:
    """20261128T093000Z, or the same with marks, as Unix seconds."""
    found = _STAMP.match(text or "")
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return (
            datetime(year, month, day, tzinfo=UTC) + timedelta(hours=hour, minutes=minute, seconds=second)
        ).timestamp()
    except (ValueError, OverflowError):
        return None
