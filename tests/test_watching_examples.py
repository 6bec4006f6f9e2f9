"""The examples about watching run as they stand, against a sandbox."""

from __future__ import annotations

import asyncio
import os
import runpy
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lipsync_async import LipSyncClient
from lipsync_async.gateways import Gateway
from lipsync_async.sandbox import Sandbox
from lipsync_async.tasks import planner
from tests.makers import requests

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.lipsync_sandbox(faults={"503_before": 0.3, "lose_reply": 0.3}, seed=3)
def test_every_job_is_a_span_and_every_try_one_in_it(lipsync_sandbox: Sandbox, lipsync_gateway: Gateway) -> None:
    """Tries that failed are errors; the job's span tells its outcome and its task."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = runpy.run_path(str(EXAMPLES / "tracing_opentelemetry.py"))["Tracing"](provider.get_tracer("tests"))

    async def main() -> None:
        async with LipSyncClient(lipsync_gateway, observer=tracing) as client:
            assert len((await client.submit_many(requests(12))).accepted) == 12

    asyncio.run(main())
    assert not tracing._jobs
    spans = exporter.get_finished_spans()
    jobs = {span.context.span_id: span for span in spans if span.name == "lipsync job"}
    tries = [span for span in spans if span.name == "lipsync attempt"]
    assert sorted(str((span.attributes or {})["lipsync.task_id"]) for span in jobs.values()) == sorted(
        entry.task_id for entry in lipsync_sandbox.ledger.entries
    )
    assert len(tries) == lipsync_sandbox.ledger.requests > 12
    assert {span.parent.span_id for span in tries if span.parent} == set(jobs)
    assert any(not span.status.is_ok for span in tries)
    assert lipsync_sandbox.ledger.duplicates == {}


def test_the_tracing_example_runs(lipsync_gateway: Gateway) -> None:
    """As a script, with a gateway and a key from the environment alone."""
    root = str(EXAMPLES.parent)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "tracing_opentelemetry.py")],
        env={**os.environ, "LIPSYNC_GATEWAY": lipsync_gateway.base_url, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"name": "lipsync job"') == 3
    assert done.stdout.count('"name": "lipsync attempt"') == 3


@pytest.mark.lipsync_sandbox(time_scale=100_000, failed_share=0.0)
def test_the_metrics_example_runs(
    lipsync_sandbox: Sandbox,
    lipsync_gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And its page tells what happened."""
    registry, pages = prometheus_client.CollectorRegistry(), []

    def serve(port: int, host: str) -> tuple[Any, Any]:
        assert (port, host) == (9108, "127.0.0.1")
        pages.append(prometheus_client.exposition.start_http_server(0, host, registry))
        return pages[0]

    monkeypatch.setattr(prometheus_client, "REGISTRY", registry)
    monkeypatch.setattr(prometheus_client, "start_http_server", serve)
    monkeypatch.setattr(planner, "COLD", 0.01)
    monkeypatch.setattr(planner.Planner, "closest", lambda *_: 0.01)
    monkeypatch.setenv("LIPSYNC_GATEWAY", lipsync_gateway.base_url)
    runpy.run_path(str(EXAMPLES / "metrics_prometheus.py"), run_name="__main__")
    assert "<TaskResults 10 succeeded>" in capsys.readouterr().out
    ((server, thread),) = pages
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as page:
        told = page.read().decode()
    server.shutdown()
    server.server_close()
    thread.join()
    assert 'lipsync_outcomes_total{account="main",kind="",outcome="accepted"} 10.0' in told
    assert len(lipsync_sandbox.ledger.entries) == 10
