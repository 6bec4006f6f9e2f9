"""`faces`: what stands in a video, its pictures, and what is not paid for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.cli import main
from lipsync_async.sandbox import Sandbox, in_thread
from tests.request.test_video import film

URL = "https://films.example.com/a.mp4"


@pytest.fixture
def two() -> Iterator[Sandbox]:
    """A gateway whose videos show two faces."""
    with in_thread(Sandbox(faces={"two": 1.0})) as sandbox:
        yield sandbox


def test_the_faces_of_a_video(two: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row each, and a picture of each in the folder."""
    assert main(["faces", URL, "--gateway", two.base_url, "--preview", str(tmp_path / "faces")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("session 86")
    assert [line.split()[0] for line in out[1:]] == ["face", "0", "1"]
    pictures = sorted((tmp_path / "faces").iterdir())
    assert [path.name for path in pictures] == ["face-0.jpg", "face-1.jpg"]
    assert all(path.read_bytes().startswith(b"\xff\xd8\xff") for path in pictures)
    assert str(pictures[1]) in out[3]
    assert not two.ledger.leaks
    assert two.ledger.identified == {URL: 1}


def test_as_json(two: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """One object, with what a list's line needs."""
    assert main(["faces", URL, "--gateway", two.base_url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [face["face_id"] for face in told["faces"]] == ["0", "1"]
    assert told["faces"][0]["start_time"] == 0
    assert told["faces"][0]["picture"].startswith("http")
    assert (told["units"], told["faces"][0]["preview"]) == ("0.05", None)


def test_a_video_by_its_id(two: Sandbox) -> None:
    """What is neither a URL nor a file is Kling's own id."""
    assert main(["faces", "860000000000000001", "--gateway", two.base_url]) == 0
    assert two.ledger.identified == {"860000000000000001": 1}


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"faces": {"none": 1.0}}, 1, "the video shows no face"),
        ({"faces": {"invalid": 1.0}}, 1, "Video duration is invalid"),
        ({"prepare_faults": {"lose_reply": 1.0}}, 4, "it may have been charged (0.05 unit)"),
        ({"balance": 0.0}, 3, "identify_faces"),
    ],
)
def test_what_goes_wrong_has_its_code(
    options: dict[str, Any], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for jobs: 1 the video's fault, 3 not sent, 4 unknown."""
    with in_thread(Sandbox(**options)) as sandbox:
        assert main(["faces", URL, "--gateway", sandbox.base_url]) == code
    assert said in capsys.readouterr().err


def test_a_local_video_is_looked_at_before_it_is_sent(
    two: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs a place; one that would be refused is not paid for; a good one is put there first."""
    short, good = tmp_path / "short.mp4", tmp_path / "good.mp4"
    short.write_bytes(film(milliseconds=1_000))
    good.write_bytes(film())

    class Uploads:
        def __init__(self, url: str) -> None:
            self.url = url

        async def __call__(self, path: Path) -> str:
            return f"https://bucket.example/{path.name}"

    monkeypatch.setattr("lipsync_async.sources.uploads.StoreUploads", Uploads)
    assert main(["faces", str(good), "--gateway", two.base_url]) == 2
    assert main(["faces", str(short), "--gateway", two.base_url, "--upload", "s3://bucket"]) == 2
    assert main(["faces", str(tmp_path / "none.mp4"), "--gateway", two.base_url, "--upload", "s3://bucket"]) == 2
    said = capsys.readouterr().err
    assert "--upload s3://bucket/prefix puts it where it can be fetched" in said
    assert "must be 2 to 60 s long" in said
    assert "cannot be read" in said
    assert not two.ledger.identified
    assert main(["faces", str(good), "--gateway", two.base_url, "--upload", "s3://bucket"]) == 0
    assert two.ledger.identified == {"https://bucket.example/good.mp4": 1}


def test_pictures_that_cannot_be_fetched_change_nothing(
    two: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The faces are told, and each picture that is missing."""
    monkeypatch.setattr("lipsync_async.downloads.pictures.MOST_BYTES", 10)
    assert main(["faces", URL, "--gateway", two.base_url, "--preview", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("no picture of face") == 2
    assert captured.out.count("http") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_told_before_anything_is_paid(two: Sandbox, tmp_path: Path) -> None:
    """As for videos."""
    (tmp_path / "file").write_text("")
    assert main(["faces", URL, "--gateway", two.base_url, "--preview", str(tmp_path / "file")]) == 2
    assert not two.ledger.identified
