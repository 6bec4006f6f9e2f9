"""`faces`: the faces of one video, for the `face` column of a list; the call is paid."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lipsync_async.config import Timeouts
from lipsync_async.errors import ConfigurationError, LipSyncError, NotSentError, OutcomeUnknownError, WaitTimeoutError
from lipsync_async.gateways import gateway_for
from lipsync_async.models import VideoSource
from lipsync_async.request.faces import Face
from lipsync_async.request.session import FaceSession
from lipsync_async.request.video import VideoFile, check_video

from .display import print_table
from .printing import printable, say
from .tally import ACCEPTED, NOT_SENT, REJECTED, RUNNING, UNKNOWN
from .target import look_at_folder

if TYPE_CHECKING:
    from lipsync_async.client import LipSyncClient

_CODES: tuple[tuple[type[LipSyncError], int], ...] = (
    (NotSentError, NOT_SENT),
    (OutcomeUnknownError, UNKNOWN),
    (WaitTimeoutError, RUNNING),
)
_odd = re.compile(r"[^A-Za-z0-9_-]")


def run(args: argparse.Namespace) -> int:
    """Prints the faces; gives 0 where there are some, 1 where the video shows none or is refused.

    Raises `ConfigurationError` before anything is paid.
    """
    look_at_folder(args.preview, "--preview")
    video = _named(args)
    return asyncio.run(_faces(args, video))


def _named(args: argparse.Namespace) -> VideoSource:
    """What identify-face is asked by; a local file is looked at. Raises `ConfigurationError`."""
    text: str = args.video
    if text.lower().startswith(("http://", "https://")):
        return VideoSource(url=text)
    if "/" not in text and "." not in text and not Path(text).exists():
        return VideoSource(video_id=text)
    if args.upload is None:
        raise ConfigurationError(f"{text} is a local file: --upload s3://bucket/prefix puts it where it can be fetched")
    try:
        faults = check_video(text)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{text} cannot be read: {error}") from error
    for fault in faults:
        say(f"{'warning: ' if fault.severity == 'warning' else ''}{text}: {fault.message}")
    if any(fault.severity == "error" for fault in faults):
        raise ConfigurationError("nothing was sent: the video would be refused")
    return VideoSource(file=VideoFile(text))


async def _faces(args: argparse.Namespace, video: VideoSource) -> int:
    from lipsync_async.client import LipSyncClient
    from lipsync_async.sources.uploads import LocalFile, StoreUploads, put

    timeouts = Timeouts(total=args.timeout, connect=min(10.0, args.timeout))
    uploads = None if args.upload is None else StoreUploads(args.upload)
    async with LipSyncClient(args.gateway, timeouts=timeouts, trust_env=True) as client:
        try:
            url = video.url
            if video.file is not None and uploads is not None:
                url = await put(uploads, LocalFile(video.file))
            session = await client.identify_faces(video_url=url, video_id=video.video_id)
        except ConfigurationError:
            raise
        except asyncio.CancelledError as error:
            for note in getattr(error, "__notes__", ()):
                say(note)
            raise
        except LipSyncError as error:
            say(f"lipsync-async: {error}")
            return next((code for kind, code in _CODES if isinstance(error, kind)), REJECTED)
        previews = await _previews(args, client, session) if args.preview is not None else {}
    _show_json(session, previews) if args.json else _show(session, previews)
    return ACCEPTED


async def _previews(args: argparse.Namespace, client: LipSyncClient, session: FaceSession) -> dict[str, str]:
    """Where the pictures are, by the face's id; what cannot be fetched is told, and changes nothing."""
    from lipsync_async.downloads.pictures import fetch_pictures

    shown = [(face.picture, face) for face in session.faces if face.picture is not None]
    asked = [(picture, f"face-{_odd.sub('_', face.face_id)[:64]}") for picture, face in shown]
    account = client._ready()  # noqa: SLF001 - the command is a part of the library
    found = await fetch_pictures(
        gateway_for(args.gateway).base_url, account.credential.headers, asked, Path(args.preview), trust_env=True
    )
    previews: dict[str, str] = {}
    for (_, face), path in zip(shown, found, strict=True):
        if isinstance(path, Path):
            previews[face.face_id] = str(path)
        else:
            say(printable(f"no picture of face {face.face_id}: {path}"))
    return previews


def _show(session: FaceSession, previews: dict[str, str]) -> None:
    ends = datetime.fromtimestamp(session.expires_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    print(printable(f"session {session.session_id}, good until {ends}"))
    rows = [(face.face_id, _seen(face), previews.get(face.face_id) or _picture(face)) for face in session.faces]
    print_table(("face", "seen (ms)", "picture"), rows, right=(), out=sys.stdout)


def _seen(face: Face) -> str:
    return "not told" if face.interval is None else f"{face.interval[0]} to {face.interval[1]}"


def _picture(face: Face) -> str:
    return "" if face.picture is None or face.picture.startswith("data:") else face.picture


def _show_json(session: FaceSession, previews: dict[str, str]) -> None:
    faces: list[dict[str, Any]] = [
        {
            "face_id": face.face_id,
            "start_time": None if face.interval is None else face.interval[0],
            "end_time": None if face.interval is None else face.interval[1],
            "picture": face.picture,
            "preview": previews.get(face.face_id),
        }
        for face in session.faces
    ]
    told = {"session_id": session.session_id, "expires_at": session.expires_at, "units": session.units, "faces": faces}
    print(printable(msgspec.json.encode(told).decode()))
