"""What a gateway is asked about a task, and how its answers are read together."""

from __future__ import annotations

from typing import Any

import pytest

from lipsync_async import KLING
from lipsync_async.dispatch.queries import MAX_PAGES, told_of
from lipsync_async.wire.flight import Flight
from lipsync_async.wire.verdicts import Finding
from tests.dispatch.helpers import BROKEN, GATEWAY_SAYS_NONE, LOST, NO_ROUTE, NO_SUCH_TASK, Wire, account_at, play, task

FULL = ["other"]


@pytest.mark.parametrize(
    ("listed", "finding", "asked"),
    [
        ((None,), Finding.PROVES_NOTHING, [1]),
        ((FULL, None), Finding.PROVES_NOTHING, [1, 2]),
        ((FULL,), Finding.PROVES_NOTHING, list(range(1, MAX_PAGES + 1))),
        (([],), Finding.NO_SUCH_TASK, [1]),
        ((FULL, []), Finding.NO_SUCH_TASK, [1, 2]),
        ((["job-1"],), Finding.FOUND, [1]),
        ((FULL, ["other", "job-1"]), Finding.FOUND, [1, 2]),
        ((FULL, FULL, ["job-1"], None), Finding.FOUND, [1, 2, 3]),
    ],
)
def test_only_a_list_read_up_to_an_empty_page_proves_absence(
    listed: tuple[list[str] | None, ...], finding: Finding, asked: list[int]
) -> None:
    """A page that can't be read, or pages without end, prove nothing; a task may be on any page."""

    async def story() -> None:
        wire = Wire(pages=listed)
        answer, found = await account_at(wire, gateway=KLING).queries.look_up("job-1", Flight())
        assert found is finding
        assert wire.listed == asked
        task_id = told_of("job-1", answer, found).task_id
        assert task_id == ("task-of-job-1" if finding is Finding.FOUND else None)

    play(story)


@pytest.mark.parametrize("answer", [task(), BROKEN, NO_ROUTE, LOST])
def test_a_list_is_read_only_where_the_task_is_said_not_to_be_there(answer: Any) -> None:
    """A find needs none, and what proves nothing is not made a proof by a list."""

    async def story() -> None:
        wire = Wire(otherwise=answer, pages=([],))
        await account_at(wire, gateway=KLING).queries.look_up("job-1", Flight())
        assert wire.listed == []

    play(story)


def test_no_cache_can_answer() -> None:
    """Every question has an address of its own, and says so; but for one that is asked plainly."""

    async def story() -> None:
        wire = Wire(pages=(["other"], []))
        queries = account_at(wire, gateway=KLING).queries
        for _ in range(3):
            await queries.look_up("job-1", Flight())
        assert len(set(wire.urls)) == len(wire.urls) == 9
        await queries.look_up("job-1", Flight(), fresh=False)
        assert (len(wire.urls), wire.urls[-1].query_string) == (10, "")
        assert all(headers["Cache-Control"] == "no-cache" for headers in wire.headers)
        assert all(headers["Authorization"] == "Bearer the-key" for headers in wire.headers)

    play(story)


@pytest.mark.parametrize("nobody", [NO_SUCH_TASK, task(None)])
def test_a_task_that_does_not_say_whose_it_is_counts_where_others_are_not_found(nobody: Any) -> None:
    """An id that never was is asked for beside it; a gateway that finds that too is trusted no more."""

    async def story() -> None:
        wire = Wire(found={"job-1": task(None), "never": nobody})
        account = account_at(wire)
        _, finding = await account.queries.look_up("job-1", Flight())
        honest = nobody is NO_SUCH_TASK
        assert finding is (Finding.FOUND if honest else Finding.PROVES_NOTHING)
        assert account.trust.ended is not honest

    play(story)


@pytest.mark.parametrize("route", [NO_SUCH_TASK, NO_ROUTE])
def test_a_gateway_that_once_found_an_id_that_never_was_is_not_believed_again(route: Any) -> None:
    """Its route may die between the two questions: the second answer denies what never was, and proves nothing."""

    async def story() -> None:
        wire = Wire(found={"job-1": task(None), "never": [task(None), route]})
        account = account_at(wire)
        for _ in range(2):
            _, finding = await account.queries.look_up("job-1", Flight())
            assert finding is Finding.PROVES_NOTHING
        assert account.trust.indiscriminate

    play(story)


@pytest.mark.parametrize(
    ("answer", "there"),
    [(NO_SUCH_TASK, True), (GATEWAY_SAYS_NONE, True), (NO_ROUTE, False), (BROKEN, None), (LOST, None)],
)
def test_a_route_is_there_where_it_speaks_of_tasks(answer: Any, there: bool | None) -> None:
    """A framework's 404 says that it is not; silence and errors say nothing."""

    async def story() -> None:
        assert await account_at(Wire(otherwise=answer)).queries.has_route(Flight()) is there

    play(story)


@pytest.mark.parametrize(
    ("answer", "at", "heard"),
    [
        (task("witness", "task-0"), 1000.0, True),
        (task("witness", "another"), 0.0, False),
        (NO_SUCH_TASK, 0.0, False),
        (NO_SUCH_TASK, 1000.0, None),
        (LOST, 0.0, None),
        (BROKEN, 0.0, None),
    ],
)
def test_a_witness_is_found_by_its_own_task(answer: Any, at: float, heard: bool | None) -> None:
    """Another task is as good as none; a young one, or no answer, says nothing."""

    async def story() -> None:
        account = account_at(Wire(found={"witness": answer}))
        assert await account.queries.hear_witness(b"key", Flight()) is None
        account.trust.accepted(b"key", "witness", "task-0", at)
        assert await account.queries.hear_witness(b"key", Flight()) is heard

    play(story)


@pytest.mark.parametrize(
    ("answer", "finding", "found"),
    [
        (task(), Finding.FOUND, True),
        (NO_SUCH_TASK, Finding.NO_SUCH_TASK, False),
        (GATEWAY_SAYS_NONE, Finding.GATEWAY_SAYS_NONE, False),
        (BROKEN, Finding.PROVES_NOTHING, None),
        (LOST, Finding.PROVES_NOTHING, None),
    ],
)
def test_a_look_up_is_told_to_the_caller(answer: Any, finding: Finding, found: bool | None) -> None:
    """With the task where there is one, and with what was said."""
    told = told_of("job-1", answer, finding)
    assert (told.found, told.task_id) == (found, "task-1" if found else None)
    assert told.external_task_id == "job-1"
