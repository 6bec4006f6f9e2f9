"""The page: never large, never anybody else's HTML, no secret, failures first."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_async.endings import Downloaded, DownloadFailed, DownloadKind, FailureKind, TaskFailed
from lipsync_async.journal import Reader, State, Try
from lipsync_async.report.page import LARGEST, MARK, script, style
from lipsync_async.report.picking import REASONS, ROWS
from lipsync_async.report.texts import told
from tests.amounts import how_many
from tests.report import batches
from tests.report.batches import ended_of, put, record
from tests.report.reading import Parsed, in_memory, page_of

GOAL = 300_000
"""Bytes that a usual batch's page may have."""
TAGS = frozenset(
    re.findall(
        r"\w+",
        "html meta link title style h1 h2 p ul ol li b small svg rect path figure figcaption span code table thead"
        " tbody tr th td q div input select option dialog form button video script a",
    )
)
HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>'\"&lt;"


@pytest.mark.parametrize("count", [100, 10_000])
def test_the_size_is_bounded(count: int, tmp_path: Path) -> None:
    """Whatever the batch; of 100,000 jobs `benchmarks/report.py` says the same."""
    with Reader(batches.write(tmp_path / "run.db", count)) as reader:
        page = page_of(reader, link=lambda path: f"./videos/{path.rpartition('/')[2]}")
    found = Parsed(page)
    assert len(page.encode()) < GOAL
    assert min(count, ROWS // 2) <= len(found.jobs) <= ROWS
    assert len(set(found.jobs)) == len(found.jobs)
    assert (count == 100) == (len(found.jobs) == count)
    left = count - len(found.jobs)
    assert (f"{left:,} of {count:,} jobs are not shown" in page) == bool(left)
    assert ("lipsync-async journal export ep2.db --out all.jsonl" in found.commands) == bool(left)


@pytest.mark.parametrize("char", ["&", "\U000e0001", "语", "\U0001f3ac"])
def test_the_worst_texts_do_not_make_it_large(char: str) -> None:
    """Ids, messages, kinds and paths that are as long as can be, no two alike."""
    with in_memory() as store:
        jobs = []
        for place in range(ROWS + 500):
            mark = "".join(chr(97 + int(figure)) for figure in str(place))
            text = f"{mark}{char * 2_000}"
            values = {"kind": text, "message": text, "task_id": text, "history": (Try(1, 1e9, "sent", text),)}
            jobs.append(record(f"{mark}{char * 300}", State.REJECTED, **values))
        put(store, jobs)
        page = page_of(store)
    found = Parsed(page)
    assert len(page.encode()) < LARGEST
    assert len(found.headings) <= REASONS + 1
    assert len(found.jobs) > 100


def test_failures_come_first_and_by_reason(tmp_path: Path) -> None:
    """The most urgent group first, the slowest after all groups that failed, then some of the rest."""
    with Reader(batches.write(tmp_path / "run.db", 10_000)) as reader:
        found = Parsed(page_of(reader))
    names = [heading.partition(":")[0].partition(" of those")[0] for heading in found.headings]
    order = list(dict.fromkeys(names))
    assert order == [
        "Unknown",
        "Open",
        "Failed",
        "Lost",
        "Video not fetched",
        "Rejected",
        "Not sent",
        "Not seen to end",
        "The slowest",
        "Succeeded",
    ]
    failed = [heading for heading in found.headings if heading.startswith("Failed")]
    counts = [int(re.findall(r"\d+$", heading)[0]) for heading in failed]
    assert counts == sorted(counts, reverse=True)
    assert len(failed) == 4


def test_one_reason_with_many_jobs_leaves_room() -> None:
    """For a reason of one job, and for the jobs that did not fail."""
    with in_memory() as store:
        put(store, [record(f"bad-{n}", State.REJECTED, kind="validation", message="no sound") for n in range(3_000)])
        put(store, [record("doubt", State.UNKNOWN, kind="timeout")])
        put(store, [record(f"good-{n}", State.ACCEPTED, task_id=str(n)) for n in range(3_000)])
        found = Parsed(page_of(store))
    assert found.jobs[0] == "doubt"
    bad, good = (sum(name.startswith(word) for name in found.jobs) for word in ("bad", "good"))
    assert (bad, good) == (ROWS - 401, 400)
    assert found.headings[1].endswith(f"{ROWS - 401:,} of 3,000")


@given(st.text(max_size=40), st.text(max_size=60), st.text(max_size=40))
@settings(max_examples=how_many(60), deadline=None)
def test_texts_are_texts(name: str, message: str, path: str) -> None:
    """Whatever an id, a message or a path holds, it makes no tag and no attribute, and stands as `told` has it."""
    _check_texts(f"{name}{HOSTILE}", f"{HOSTILE}{message}", f"{HOSTILE}{path}")


def _check_texts(name: str, message: str, path: str) -> None:
    with in_memory() as store:
        job = record(name, State.REJECTED, kind=message, message=message, task_id=path)
        good = record(f"g{name}", State.ACCEPTED, task_id=path)
        again = record(f"b{name}", State.ACCEPTED, task_id="t")
        failed = TaskFailed(task_id="t", external_task_id=f"b{name}", kind=FailureKind.MEDIA, reason=message)
        where = Downloaded(external_task_id=f"g{name}", task_id=path, path=path, size=1)
        put(store, [job, good, again], [ended_of(good), failed], [where])
        stored = store.recall(name)
        page = page_of(store, journal=path)
    assert stored is not None
    found = Parsed(page)
    assert set(found.tags) <= TAGS
    assert found.tags["script"] == found.tags["style"] == 1
    assert found.tags["a"] == found.tags["img"] == 0
    assert not [attribute for attribute in found.attributes if attribute[1].startswith("on")]
    assert told(stored.external_task_id, 120) in found.jobs
    page.encode()


def test_the_policy_allows_this_script_and_no_other() -> None:
    """The hashes are those of what stands in the page, and nothing is inline but these two."""
    with in_memory() as store:
        page = page_of(store)
    found = Parsed(page)
    assert page.startswith(MARK)
    hashes = {
        kind: f"'sha256-{b64encode(sha256(found.texts[kind].encode()).digest()).decode()}'" for kind in found.texts
    }
    assert found.policy.split("; ") == [
        "default-src 'none'",
        f"style-src {hashes['style']}",
        f"script-src {hashes['script']}",
        "img-src data:",
        "media-src 'self' file:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert not [attribute for attribute in found.attributes if attribute[1] == "style"]


def test_script_and_style_are_ascii() -> None:
    """So that a page in another encoding keeps its hashes; and neither of both ends itself."""
    assert script().isascii()
    assert style().isascii()
    assert "</" not in script() + style()


def test_no_url_that_is_a_key_to_something(tmp_path: Path) -> None:
    """A result's URL is left out, signature and all; so is the query of every URL in a message."""
    with in_memory() as store:
        job = record("a", State.ACCEPTED, task_id="1")
        message = "https://u:SECRETpw@cdn.example.com/a.mp4?Signature=SECRET"
        broken = DownloadFailed(external_task_id="a", task_id="1", kind=DownloadKind.EXPIRED, message=message)
        bad = record("b", State.REJECTED, kind="invalid_request", message=f"cannot read {message}")
        put(store, [job, bad], [ended_of(job)], [broken])
        pages = [page_of(store)]
    with Reader(batches.write(tmp_path / "run.db", 300)) as reader:
        pages.append(page_of(reader))
    for page in pages:
        assert "SECRET" not in page
        assert not re.search(r"//[^\s\"'<>]*\?[^…]", page.partition("</style>")[2].rpartition("<script>")[0])
    assert "cannot read https://…@cdn.example.com/a.mp4?…" in pages[0]


def test_videos_can_be_played() -> None:
    """Those that are there: a player for the first, a link in every row; nothing is loaded before."""
    with in_memory() as store:
        jobs = [record(f"v{n}", State.ACCEPTED, task_id=str(n)) for n in range(20)]
        videos = [
            Downloaded(external_task_id=f"v{n}", task_id=str(n), path=f"/srv/v{n} &.mp4", size=9) for n in range(20)
        ]
        put(store, jobs, map(ended_of, jobs), videos)
        found = Parsed(page_of(store, link=lambda path: None if path.startswith("/srv/v3") else f"file://{path}"))
    assert found.tags["video"] == 12 + 1
    assert [value for tag, name, value in found.attributes if (tag, name) == ("video", "preload")] == ["none"] * 13
    links = [value for tag, name, value in found.attributes if (tag, name) == ("a", "href")]
    assert links == [f"file:///srv/v{n} &.mp4" for n in range(20) if n != 3]
    assert [row[-1] for row in found.rows if row[0] in {"v2", "v3"}] == ["play", "stored"]


def test_an_empty_journal_has_a_page() -> None:
    """That says so."""
    with in_memory() as store:
        page = page_of(store)
    assert "No job was begun" in page
    assert "no list was run with this journal" in page
    assert "<table" not in page
