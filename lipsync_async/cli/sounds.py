"""The list that a command works at: a file, or a folder of sounds for one video."""

from __future__ import annotations

import argparse
import io
import json
import shlex
from collections import defaultdict
from pathlib import Path

from lipsync_async.errors import ConfigurationError
from lipsync_async.jobs import JobList
from lipsync_async.request.ids import external_id_of

from .printing import say

SOUNDS = frozenset({".mp3", ".wav", ".m4a", ".aac"})
"""Endings of the files that are taken for sounds; what is in them is found out like that of any list's."""


def open_list(args: argparse.Namespace) -> JobList:
    """The list of a command, whichever way it was named. Raises `ConfigurationError` and `JobListError`."""
    under, uploads = folder_of(args.sounds_under), args.upload is not None
    if (args.jobs is None) == (args.sounds is None):
        raise ConfigurationError("give one of both: a list (JOBS), or --sounds DIR with a --video-url")
    if args.sounds is None:
        if args.video_url is not None:
            raise ConfigurationError("--video-url belongs to --sounds; in a list each line names its video_url")
        return JobList.open(args.jobs, sounds_under=under, uploads=uploads)
    if args.video_url is None:
        raise ConfigurationError("--sounds needs a --video-url: the video that all of them are for")
    made = "".join(
        json.dumps({"external_task_id": name, "video_url": args.video_url, "face": args.face, "sound_path": str(path)})
        + "\n"
        for name, path in sounds_in(Path(args.sounds), args.id_prefix).items()
    )
    jobs = JobList.open(
        "-", stdin=io.BytesIO(made.encode("utf-8", "surrogatepass")), sounds_under=under, uploads=uploads
    )
    jobs.name = args.sounds
    return jobs


def sounds_in(folder: Path, prefix: str) -> dict[str, Path]:
    """The sounds of a folder by the ids of their jobs, in the order of their names; what is in its folders is not seen.

    An id is made of the name without its ending, so that it stays the same whatever else is put there.
    Raises `ConfigurationError` where there are none, and where two would have one id.
    """
    try:
        files = sorted(path for path in folder.resolve().iterdir() if path.is_file() and path.name[0] != ".")
    except OSError as error:
        raise ConfigurationError(f"--sounds {folder}: {error.strerror or error}") from error
    found: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        if path.suffix.lower() in SOUNDS:
            found[external_id_of(path.stem, prefix=prefix)].append(path)
    others = len(files) - sum(map(len, found.values()))
    if not found:
        raise ConfigurationError(f"--sounds {folder}: no file in it ends in {', '.join(sorted(SOUNDS))}")
    for name, paths in found.items():
        if len(paths) > 1:
            both = " and ".join(path.name for path in paths)
            raise ConfigurationError(f"--sounds {folder}: {both} would have one id ({name}): rename one")
    if others:
        say(f"{others} other file{'' if others == 1 else 's'} in {folder}: left out")
    return {name: paths[0] for name, paths in found.items()}


def as_typed(args: argparse.Namespace) -> str:
    """The words of the command line that name the list."""
    if args.sounds is None:
        return shlex.quote(args.jobs)
    words = ["--sounds", args.sounds, "--video-url", args.video_url]
    return shlex.join(words if args.face == "only" else [*words, "--face", args.face])


def folder_of(sounds_under: str | None) -> Path | None:
    """The folder that sounds must lie under. Raises `ConfigurationError` where it is none."""
    if sounds_under is None:
        return None
    folder = Path(sounds_under)
    if not folder.is_dir():
        raise ConfigurationError(f"--sounds-under {sounds_under} is no folder")
    return folder
