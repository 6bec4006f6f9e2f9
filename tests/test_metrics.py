"""Metrics with the real library: what a scrape tells is what happened at the gateway."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lipsync_async import Event, Following, LipSyncClient, RequestBuilder
from lipsync_async.metrics import Metrics
from lipsync_async.sandbox import Sandbox
from tests.loopback.hurried import hurry
from tests.makers import request, requests


def scrape(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus would read: by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_a_scrape_tells_what_happened() -> None:
    """Of creates, jobs, tasks, money, and what the client knows; from another thread, while the client works."""
    metrics, registry = Metrics(), CollectorRegistry()
    registry.register(metrics)

    async def main() -> Sandbox:
        soon, clock = Following(first_look=0.0), asyncio.get_running_loop().time
        async with (
            Sandbox(
                task_seconds=(5.0, 5.0),
                failed_share=0.0,
                max_per_second=5,
                burst=1,
                clock=clock,
            ) as sandbox,
            LipSyncClient(
                sandbox.base_url, api_key=sandbox.api_key, observer=metrics.observe, following=soon
            ) as client,
        ):
            metrics.watch(client)
            await client.run_many(requests(12))
            told = await asyncio.to_thread(scrape, registry)
            assert told["lipsync_in_flight", ()] == 0
            assert told["lipsync_gate_open", ()] == 1
            assert told["lipsync_pace", ()] == client.statistics().pace
            assert told["lipsync_tasks_waited_for", ()] == 0
            assert told["lipsync_task_seconds_median", ()] == client.following().median_duration
        return sandbox

    sandbox = hurry(main())
    told = scrape(registry)
    assert told["lipsync_outcomes_total", (("kind", ""), ("outcome", "accepted"))] == 12
    assert told["lipsync_attempts_total", (("action", "accept"), ("kind", ""))] == 12
    refused = sum(value for (name, labels), value in told.items() if ("action", "wait") in labels)
    assert refused == sum(sandbox.ledger.refused.values())
    assert told["lipsync_attempt_seconds_count", ()] == sandbox.ledger.requests
    assert told["lipsync_task_ends_total", (("ending", "succeeded"), ("kind", ""))] == 12
    assert told["lipsync_units_estimated_total", ()] == 6.0
    charged = sum(entry.charged for entry in sandbox.ledger.entries)
    assert told["lipsync_units_charged_total", (("what", "task"),)] == pytest.approx(charged)
    assert not [name for name, _ in told if name == "lipsync_in_flight"], "a client that was closed tells nothing"


def test_an_end_is_told_once_however_many_wait() -> None:
    """With why it failed."""
    events: list[Event] = []

    async def main() -> None:
        async with (
            Sandbox(task_seconds=(5.0, 5.0), ends={"content": 1.0}, clock=asyncio.get_running_loop().time) as sandbox,
            LipSyncClient(sandbox.base_url, api_key=sandbox.api_key, observer=events.append) as client,
        ):
            accepted = await client.submit(request())
            await asyncio.gather(client.wait_many([accepted]), client.wait_many([accepted]))

    hurry(main())
    (end,) = [event for event in events if event.name == "end"]
    assert (end.action, end.kind, end.external_task_id) == ("failed", "content", "job-1")
    assert end.estimated_units == 0.5
    assert end.task_id


def test_videos_and_texts_are_counted_with_what_they_cost() -> None:
    """Beside the jobs that they are for."""
    metrics, registry = Metrics({"account": "main"}, prefix="dub"), CollectorRegistry()
    registry.register(metrics)

    async def main() -> None:
        async with Sandbox() as sandbox:
            client = LipSyncClient(sandbox.base_url, api_key=sandbox.api_key, observer=metrics.observe)
            film = RequestBuilder().video("https://films.example.com/1.mp4").text("Hello there", "a_voice")
            await client.submit_many([film.build()])
            await client.aclose()

    hurry(main())
    told = scrape(registry)
    account = ("account", "main")
    for source in ("video", "text"):
        assert told["dub_sources_total", (account, ("action", "made"), ("source", source))] == 1
        assert told["dub_units_charged_total", (account, ("what", source))] == pytest.approx(0.05)
    assert told["dub_outcomes_total", (account, ("kind", ""), ("outcome", "accepted"))] == 1
    assert told["dub_attempt_seconds_count", (account,)] == 1


def test_several_clients_are_one_sum() -> None:
    """Where a sum means something; else the worst of them."""
    metrics, registry = Metrics(), CollectorRegistry()
    registry.register(metrics)

    async def main() -> None:
        async with Sandbox() as sandbox:
            clients = [LipSyncClient(sandbox.base_url, api_key=sandbox.api_key) for _ in range(3)]
            for client in clients:
                metrics.watch(client)
            for number, client in enumerate(clients[:2]):
                await client.submit(request(f"job-{number}"))
            told = scrape(registry)
            assert told["lipsync_running_tasks", ()] == 2
            assert told["lipsync_gate_open", ()] == 1
            await clients[0].aclose()
            assert scrape(registry)["lipsync_running_tasks", ()] == 1
            await clients[1].aclose()

    hurry(main())


def test_an_event_that_a_later_version_adds_is_no_fault() -> None:
    """It is not counted."""
    Metrics().observe(Event(name="something new", at=0.0))


def test_without_the_extra_the_import_says_what_is_missing() -> None:
    """In words that can be typed."""
    code = "import sys; sys.modules['prometheus_client'] = None; import lipsync_async.metrics"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install lipsync-async[metrics]" in done.stderr
