"""`report`: a batch on a page or in a few lines, and never over anything but an earlier report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lipsync_async.cli import main
from lipsync_async.journal import Store
from lipsync_async.report.page import MARK
from lipsync_async.sandbox import Sandbox
from lipsync_async.tasks import planner
from tests.report import batches

from .helpers import KEY, command, job, write


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """A journal with something of everything."""
    return batches.write(tmp_path / "run.db", 300)


def test_a_short_summary(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output: what came of it, the money, why, and what to do next."""
    assert main(["report", str(batch)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{batch}: ")
    assert "of 300 jobs have their video; gateway https://api.chainhub.tech, account default" in out
    for line in (r"^  \d+ succeeded: there is a video$", r"^cost: ", r"^tasks: half end within", r"^why: \d+ failed"):
        assert re.search(line, out, re.MULTILINE)
    assert f"  lipsync-async wait {batch} --gateway chainhub --download /srv/dub/videos\n" in out
    assert "SECRET" not in out
    assert err == ""


def test_an_empty_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was begun, and nothing is left to do."""
    Store(tmp_path / "run.db", gateway=batches.GATEWAY).close()
    assert main(["report", str(tmp_path / "run.db")]) == 0
    assert "No job was begun" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "run.db"), "--html", str(tmp_path / "r.html")]) == 0


def test_no_journal_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither it nor a page is made by a look."""
    assert main(["report", str(tmp_path / "none.db"), "--html", str(tmp_path / "r.html")]) == 2
    assert "none.db" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_written_over_and_nothing_else(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An earlier report is; anything else only if so wished; the journal never."""
    page = batch.with_name("r.html")
    for _ in range(2):
        assert main(["report", str(batch), "--html", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(MARK)
    assert text.count("</html>") == 1
    assert "have their video" in capsys.readouterr().err
    page.write_text("my own page")
    assert main(["report", str(batch), "--html", str(page)]) == 2
    assert page.read_text() == "my own page"
    assert main(["report", str(batch), "--html", str(page), "--overwrite"]) == 0
    before = batch.read_bytes()
    assert main(["report", str(batch), "--html", str(batch), "--overwrite"]) == 2
    assert f"--html {batch} is the journal" in capsys.readouterr().err
    assert batch.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_3(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a text, and no traceback."""
    assert main(["report", str(batch), "--html", "/dev/full"]) == 3
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_page_goes_to_standard_output(batch: Path, encoding: str) -> None:
    """In any encoding it says the same: what is no ASCII stands as a reference."""
    with command("report", batch, "--html", "-", env={"PYTHONIOENCODING": encoding}, encoding="utf-8") as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith(MARK)
    assert ("内容违规" in out) == (encoding == "utf-8")
    assert ("&#20869;" in out) == (encoding == "latin-1")


@pytest.mark.parametrize("below", [True, False])
def test_videos_are_linked_where_they_are(below: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a relative link where they lie below the page, so that both can be moved; else by their address."""
    folder = tmp_path / "out" / "my videos" if below else tmp_path / "else & where"
    folder.mkdir(parents=True)
    (tmp_path / "out").mkdir(exist_ok=True)
    batch = batches.write(tmp_path / "run.db", 10, folder=str(folder))
    (folder / "ep000-line-0003.mp4").write_bytes(b"video")
    page = tmp_path / "out" / "r.html"
    assert main(["report", str(batch), "--html", str(page)]) == 0
    capsys.readouterr()
    links = re.findall(r'<a href="([^"]*)">play</a>', page.read_text(encoding="utf-8"))
    assert links == (["./my%20videos/ep000-line-0003.mp4"] if below else [(folder / "ep000-line-0003.mp4").as_uri()])


def test_a_batch_from_its_list_to_its_page(
    tmp_path: Path,
    lipsync_sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the key nor the address of a result is in it; the videos are."""
    monkeypatch.setattr(planner, "COLD", 0.01)
    monkeypatch.setattr(planner.Planner, "closest", lambda *_: 0.01)  # the sandbox's tasks take a few milliseconds
    lipsync_sandbox.set_lives(task_seconds=(0.0, 0.0), failed_share=0.0)
    jobs, path, videos = write(tmp_path / "jobs.jsonl", [job("a"), job("b")]), tmp_path / "run.db", tmp_path / "videos"
    url = lipsync_sandbox.base_url
    sent = ["submit", str(jobs), "--gateway", url, "--journal", str(path), "--download", str(videos), "--quiet"]
    assert main(sent) == 0
    addresses = re.findall(r'"video_url":"([^"]+)"', capsys.readouterr().out)
    assert len(addresses) == 2
    assert main(["report", str(path), "--html", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "2 of 2 jobs have their video" in page
    assert "Nothing: all is done." in page
    assert KEY not in page
    assert lipsync_sandbox.api_key not in page
    assert not [address for address in addresses if address in page or address.partition("?")[2] in page]
    assert page.count('href="./videos/') == 2
