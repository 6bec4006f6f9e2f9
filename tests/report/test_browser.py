"""The page in a real browser; skipped with one line where there is none: `apt-get install chromium`."""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from lipsync_async.cli import main
from lipsync_async.endings import Downloaded
from lipsync_async.journal import State, Store
from lipsync_async.sandbox.video import clip
from tests.report import batches
from tests.report.batches import ended_of, put, record
from tests.report.chromium import BROWSER, Page, browsing

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")
ODD = "zz <b>odd</b> name"
SHOWN = """
  const shown = () => [...document.querySelectorAll("#jobs tbody")].filter((body) => !body.hidden)
    .flatMap((body) => [...body.rows].slice(1).filter((row) => !row.hidden).map((row) => row.cells[0].textContent));
  const give = (id, value) => {
    const input = document.getElementById(id);
    input.value = value;
    input.dispatchEvent(new Event("input"));
    return shown();
  };
  const last = (place) => [...document.querySelector("#jobs tbody:last-child").rows].slice(1)
    .map((row) => row.cells[place].textContent).filter((text) => text);
"""


@pytest.fixture
def report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The report of a batch that ran into everything, with two real videos."""
    folder = tmp_path / "videos"
    folder.mkdir()
    path = batches.write(tmp_path / "run.db", 300, folder=str(folder))
    with Store(path, gateway=batches.GATEWAY) as store:
        jobs = [record(name, State.ACCEPTED, task_id=name[:5]) for name in (ODD, "zz-second")]
        videos = []
        for number, job in enumerate(jobs):
            file = folder / f"{number}.mp4"
            file.write_bytes(clip())
            name, task_id = job.external_task_id, job.task_id or ""
            videos.append(Downloaded(external_task_id=name, task_id=task_id, path=str(file), size=1))
        put(store, jobs, map(ended_of, jobs), videos)
    assert main(["report", str(path), "--html", str(tmp_path / "r.html")]) == 0
    capsys.readouterr()
    return tmp_path / "r.html"


def browse(report: Path, act: Callable[[Page], Awaitable[Any]]) -> Any:
    """What is done in a browser that has opened the page."""

    async def run() -> Any:
        async with browsing(Path(mkdtemp(dir=report.parent))) as page:
            await page.open(report)
            return await act(page)

    return asyncio.run(run())


def test_its_own_script_runs_and_no_other(report: Path) -> None:
    """The filter and the buttons are there; what somebody puts in is forbidden, and the browser says so."""

    async def act(page: Page) -> Any:
        filled = "[document.getElementById('filter').hidden, document.querySelectorAll('#jobs thead button').length]"
        return await page.run(filled), await page.run("document.title"), page.console

    found, title, complaints = browse(report, act)
    assert found == [False, 9]
    assert complaints == []
    taken = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\"><h1>"
    report.write_text(report.read_text(encoding="utf-8").replace("<h1>", taken), encoding="utf-8")
    found, still, complaints = browse(report, act)
    assert found == [False, 9]
    assert still == title
    assert len([text for text in complaints if "Content Security Policy" in text]) >= 2


def test_the_filter(report: Path) -> None:
    """By a word, whatever its case, and by how jobs came out."""

    async def act(page: Page) -> None:
        await page.run(SHOWN)
        every = await page.run("shown()")
        assert len(every) == 302
        assert await page.run("give('word', ' ZZ ')") == [ODD, "zz-second"]
        assert await page.run("document.getElementById('found').textContent") == "2 rows"
        assert await page.run("give('came-out', 'rejected')") == []
        rejected = await page.run("give('word', '')")
        assert len(rejected) == _rows(report, "rejected") > 0
        assert await page.run("give('came-out', '')") == every
        assert await page.run("document.getElementById('found').textContent") == ""

    browse(report, act)


def _rows(report: Path, came_out: str) -> int:
    """Rows of all groups of that name."""
    text = report.read_text(encoding="utf-8")
    bodies = re.findall(rf'<tbody data-came-out="{came_out}">\n(.*?)</tbody>', text, re.DOTALL)
    return sum(body.count("<tr>") - 1 for body in bodies)


def test_the_order(report: Path) -> None:
    """By a column of numbers and by one of texts, in both directions, each group for itself."""

    async def act(page: Page) -> None:
        await page.run(SHOWN)
        for place, key in ((1, int), (0, str)):
            press = f"document.querySelectorAll('#jobs thead button')[{place}].click(); last({place})"
            up, down = await page.run(press), await page.run(press)
            assert len(up) > 100
            assert sorted(up, key=key) == up
            assert down == up[::-1]
        assert await page.run("document.querySelector('#jobs [aria-sort]').ariaSort") == "descending"

    browse(report, act)


def test_a_command_is_copied_as_it_stands(report: Path) -> None:
    """Also where it takes several lines."""

    async def act(page: Page) -> Any:
        await page.show(380, 900)
        return await page.run("""(() => {
          getSelection().selectAllChildren(document.querySelector(".next code"));
          return getSelection().toString();
        })()""")

    assert browse(report, act).startswith("lipsync-async reconcile ")
    assert browse(report, act).endswith("run.db --gateway chainhub")


def test_a_video_plays(report: Path) -> None:
    """The link of a row opens the player, whose policy lets it read the file; nothing is read before."""

    async def act(page: Page) -> Any:
        ready = "[...document.querySelectorAll('video')].map((video) => video.readyState)"
        assert set(await page.run(ready)) == {0}
        return await page.run("""(async () => {
          const video = document.querySelector("#player video");
          const loaded = new Promise((resolve) => {
            video.addEventListener("loadedmetadata", () => resolve("loaded"));
            video.addEventListener("error", () => resolve("broken"));
          });
          document.querySelector("#jobs a").click();
          return [await loaded, document.getElementById("player").open, video.videoWidth > 0,
            document.querySelector("#player b").textContent];
        })()""")

    assert browse(report, act) == ["loaded", True, True, ODD]


def test_it_fits_and_has_the_colours_of_the_reader(report: Path) -> None:
    """At both widths nothing reaches beyond the window; light or dark as the reader has it, and light on paper."""

    async def act(page: Page) -> None:
        for width in (380, 1280):
            for scheme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
                await page.show(width, 900, scheme=scheme, media=media)
                assert await page.run("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
                size, corner = look(await page.picture())
                assert size == (width, 900)
                dark = scheme == "dark" and media == "screen"
                assert max(corner) < 64 if dark else min(corner) > 192
                filtered = await page.run("getComputedStyle(document.getElementById('filter')).display")
                assert (filtered == "none") == (media == "print")

    browse(report, act)


def look(picture: bytes) -> tuple[tuple[int, int], tuple[int, ...]]:
    """The size of a PNG, and the colour of its upper left corner."""
    width, height, depth, kind = struct.unpack(">IIBB", picture[16:26])
    assert (depth, kind) in {(8, 2), (8, 6)}
    content = picture.index(b"IDAT") + 4
    line = zlib.decompressobj().decompress(picture[content : content + 100], 4)
    return (width, height), tuple(line[1:4])  # of the first pixel every filter gives what it is
