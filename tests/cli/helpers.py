"""Job lines, lists and a gateway that remembers bodies, for the command's tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from lipsync_async.cli import demo

CLIPS = Path(demo.__file__).parent / "demo_clips"
KEY = "sandbox-key"


def job(name: str | None = None, **changes: Any) -> dict[str, Any]:
    """A legal job line in the flat form; a change to `...` leaves a field out."""
    line: dict[str, Any] = {
        "session_id": "825465778199224380",
        "face_id": "-1",
        "audio_id": "825451760499568680",
        "sound_start_time": 0,
        "sound_end_time": 5000,
        "sound_insert_time": 1000,
        "sound_volume": 1,
        "original_audio_volume": 1,
    }
    if name is not None:
        line["external_task_id"] = name
    return {key: value for key, value in {**line, **changes}.items() if value is not ...}


def body(name: str | None = None, **changes: Any) -> dict[str, Any]:
    """The same as the create call's own body; changes are the face's."""
    flat = job(None, **changes)
    line = {"session_id": flat.pop("session_id"), "face_choose": [flat]}
    return {**line, "external_task_id": name} if name is not None else line


def write(path: Path, lines: Iterable[Mapping[str, Any] | str]) -> Path:
    """A JSONL list; a text is written as it is."""
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def results(text: str) -> list[dict[str, Any]]:
    """Result lines in the order of the list."""
    return sorted((json.loads(line) for line in text.splitlines()), key=lambda line: line["line"])


def command(*args: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """The command as a process of its own; warnings are errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "lipsync_async.cli", *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "LIPSYNC_API_KEY": KEY, **(env or {})},
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        text=True,
        **options,
    )


@contextmanager
def recorder() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A gateway that accepts everything: its base URL, and the bodies that arrived."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            reply = json.dumps({"code": 0, "data": {"task_id": str(len(bodies)), "task_status": "submitted"}}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", bodies
        finally:
            server.shutdown()
            thread.join()
