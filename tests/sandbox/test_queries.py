"""Queries and lists: what is counted, what is there, and what shifts."""

from __future__ import annotations

import json

import pytest

from .helpers import ROUTE, Caller, Clock, job, with_sandbox


def names_of(body: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    """The external ids of a page."""
    return [task["task_info"]["external_task_id"] for task in body["data"]]


def test_a_gateway_without_a_list() -> None:
    """The route is not there, with a page or without; queries of one task are."""

    async def test(caller: Caller) -> None:
        await caller.post(job("a"))
        for query in ("", "?pageNum=1&pageSize=30"):
            status, body = await caller.get(query=query)
            assert (status, body["error"]["message"]) == (404, f"Invalid URL (GET {ROUTE})")
        assert (await caller.get("a"))[0] == 200

    with_sandbox(test, no_list=True)


def test_pages_shift_while_tasks_are_created() -> None:
    """A task that is created between two pages pushes the last row of the first onto the second."""

    async def test(caller: Caller) -> None:
        for n in range(4):
            await caller.post(job(str(n)))
        assert names_of((await caller.get(query="?pageNum=1&pageSize=2"))[1]) == ["3", "2"]
        await caller.post(job("4"))
        assert names_of((await caller.get(query="?pageNum=2&pageSize=2"))[1]) == ["2", "1"]
        assert names_of((await caller.get(query="?pageNum=3&pageSize=2"))[1]) == ["0"]
        assert names_of((await caller.get(query="?pageNum=4&pageSize=2"))[1]) == []

    with_sandbox(test)


@pytest.mark.parametrize("query", ["?pageNum=1000&pageSize=500", "?pageNum=1&pageSize=1"])
def test_the_bounds_of_pages_are_in(query: str) -> None:
    """The largest and the smallest page."""

    async def test(caller: Caller) -> None:
        await caller.post(job("a"))
        assert (await caller.get(query=query))[0] == 200

    with_sandbox(test)


def test_a_gateway_that_counts_all_requests() -> None:
    """Queries, lists and content take from the rate of creates, and are refused over it; else they are free."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        task_id = (await caller.post(job("a")))[1]["data"]["task_id"]
        assert (await caller.get("a"))[0] == 200
        assert (await caller.get())[0] == 200
        content = f"/v1/videos/{task_id}/content"
        assert (await caller.raw("GET", content))[0] == 400
        status, body, reply = await caller.raw("GET", f"{ROUTE}/a")
        assert (status, json.loads(body)["code"], reply.headers["Retry-After"]) == (429, 1302, "1")
        assert (await caller.get())[0] == 429
        assert (await caller.raw("GET", content))[0] == 429
        assert (await caller.post(job("b")))[0] == 429
        clock.now += 0.25
        assert [(await caller.get("a"))[0] for _ in range(2)] == [200, 429]

    ledger = with_sandbox(test, clock=clock, max_per_second=4, count_queries=True, retry_after=True).ledger
    assert (ledger.refused, ledger.refused_queries) == ({1302: 1}, {1302: 4})
    assert ledger.queries == 6


def test_the_ledger_counts_the_queries_of_each_task() -> None:
    """A query by either id, and a list that has it; when its end was told first."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        task_id = (await caller.post(job("a")))[1]["data"]["task_id"]
        await caller.post(job("b"))
        for any_id in ("a", task_id, "", "none"):
            await caller.get(any_id)
        assert [it.told_at for it in caller.sandbox.ledger.entries] == [None, None]
        clock.now += 100
        await caller.get("a")
        clock.now += 100
        await caller.get("a")

    first, second = with_sandbox(test, clock=clock, task_seconds=(60, 60)).ledger.entries
    assert (first.queries, second.queries) == (5, 1)
    assert (first.told_at or 0) - first.accepted_at == pytest.approx(100, abs=1e-3)
    assert (first.ended_at or 0) - first.accepted_at == pytest.approx(60, abs=1e-3)
    assert second.told_at is None
