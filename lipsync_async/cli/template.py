"""`template`: a list to begin with, that a sandbox accepts as it stands."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from lipsync_async.errors import ConfigurationError
from lipsync_async.rows import csv_line

from .printing import say
from .tally import ACCEPTED

_CUT = {"sound_start_time": 0, "sound_end_time": 5000, "sound_insert_time": 0}
_VOLUMES = {"sound_volume": 1, "original_audio_volume": 1}
_FILM = "https://films.example.com/scene-1.mp4"
LINES: tuple[dict[str, Any], ...] = (
    {
        "external_task_id": "example-1",
        "session_id": "825465778199224380",
        "face_id": "0",
        "audio_id": "825451760499568680",
        **_CUT,
        **_VOLUMES,
        "note": "A session and a face of identify-face (they live for a day), and an audio of text to speech."
        " Times are whole milliseconds: from start to end of the sound, to be heard from insert on in the video.",
    },
    {
        "external_task_id": "example-2",
        "video_url": _FILM,
        "face": "first",
        "sound_file": "https://cdn.example.com/voice-2.mp3",
        **_CUT,
        **_VOLUMES,
        "note": "A video in place of the session, and a rule in place of the face: only, first, longest, or a face_id."
        " A file on this machine: sound_path in place of sound_file; its end is known then.",
    },
    {
        "external_task_id": "example-3",
        "video_url": _FILM,
        "face": "longest",
        "text": "And that is why we are here today.",
        "voice_id": "girlfriend_1_speech02",
        "note": "A text in place of a sound; the cut ends with the speech. This column is yours: it is not sent.",
    },
)
"""One of every sort."""


def run(args: argparse.Namespace) -> int:
    """Writes it; gives the exit code. Raises `ConfigurationError` where nothing is written."""
    name = args.file
    ending = Path(name).suffix.lower()
    if name != "-" and ending not in {".csv", ".jsonl"}:
        raise ConfigurationError(f"{name}: the name of a list ends in .csv or .jsonl")
    text = as_json() if ending == ".jsonl" else as_table()
    if name == "-":
        sys.stdout.write(text)
        return ACCEPTED
    try:
        with Path(name).open("w" if args.overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigurationError(f"{name} is there already: use another name, or --overwrite") from error
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be written: {error.strerror or error}") from error
    say(f"{name} has {len(LINES)} examples. To try them, begin a sandbox in another terminal, and submit them to it:")
    say("  lipsync-async sandbox --port 8904")
    say(f"  LIPSYNC_API_KEY=sandbox-key lipsync-async submit {shlex.quote(name)} --gateway http://127.0.0.1:8904")
    return ACCEPTED


def as_json() -> str:
    """One object a line."""
    return "".join(f"{json.dumps(line)}\n" for line in LINES)


def as_table() -> str:
    """A column for every name."""
    columns = tuple(dict.fromkeys(name for line in LINES for name in line if name != "note"))
    rows = [[line.get(name, "") for name in (*columns, "note")] for line in LINES]
    return "".join(map(csv_line, ((*columns, "note"), *rows)))
