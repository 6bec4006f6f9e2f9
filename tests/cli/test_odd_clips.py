"""A folder of odd clips as a job list: refused, accepted or warned of by what they hold, and sent as they are."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.request.audio import AudioFile, Container
from lipsync_async.sandbox import Sandbox

CLIPS = Path(__file__).parent.parent / "clips"
STRICTER = {"cover_track-mov", "cover_track-mp4", "fragments_after_moov-m4a", "free_format-mp3"}
"""What the sandbox refuses by its own, simpler reading, and we let pass: a doubt is no refusal."""
SOUND = {Container.MP3, Container.WAV, Container.M4A}


def job(path: Path) -> str:
    """A line with a window that fits every clip that is long enough."""
    times = {"sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0}
    volumes = {"sound_volume": 1, "original_audio_volume": 1}
    name = path.name.replace(".", "-")
    face = {"session_id": "s", "face_id": "0", "sound_path": str(path), "external_task_id": name}
    return json.dumps({**face, **times, **volumes}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> list[Path]:
    """The odd clips as they are, and renamed, cut short and empty ones."""
    clips = sorted(path for path in CLIPS.iterdir() if path.suffix not in {".py", ".md", ""} and path.is_file())
    good = CLIPS / "mp3_cbr128_xing_id3.mp3"
    whole = good.read_bytes()
    made = {"renamed.wav": whole, "cut.mp3": whole[:60_000], "empty.mp3": b"", "page.mp3": b"<html>"}
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return [*clips, *(tmp_path / name for name in made)]


def may_go(path: Path) -> bool:
    """Sound in a container that is taken, of a length that is unknown or long enough."""
    info = AudioFile(path).info
    return info.container in SOUND and (info.duration is None or 1.9 <= info.duration <= 60.1)


def test_odd_clips_are_judged_by_their_content(
    folder: list[Path],
    lipsync_sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No clip that may not go leaves the machine, and of those that go the gateway gets the file's own bytes."""
    monkeypatch.setenv("LIPSYNC_API_KEY", lipsync_sandbox.api_key)
    jobs, out = tmp_path / "jobs.jsonl", tmp_path / "out.jsonl"
    jobs.write_text("".join(map(job, folder)), encoding="utf-8")
    command = ["submit", str(jobs), "--gateway", lipsync_sandbox.base_url, "--out", str(out), "--skip-invalid"]
    assert main(command) == 1
    told = {line["external_task_id"]: line for line in map(json.loads, out.read_text("utf-8").splitlines())}
    sent = {entry.external_task_id: entry.audio_sha256 for entry in lipsync_sandbox.ledger.entries}
    assert len(told) == len(folder)
    refused: set[str] = set()
    for path in folder:
        name = path.name.replace(".", "-")
        if not may_go(path):
            assert told[name]["kind"] == "validation", path.name
            assert name not in sent
        elif told[name]["outcome"] == "accepted":
            assert sent[name] == sha256(path.read_bytes()).hexdigest(), path.name
        else:
            refused.add(name)
    assert {"renamed-wav", "cut-mp3"} <= set(sent)
    assert refused == STRICTER
    warned = capsys.readouterr().err
    assert "so near the limit that the gateway may measure otherwise" in warned
