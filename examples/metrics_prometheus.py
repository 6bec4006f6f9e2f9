"""Metrics for Prometheus: a page at port 9108 tells what is counted.

pip install lipsync-async[metrics]
lipsync-async sandbox --port 8904 --time-scale 20  # elsewhere; it prints its key
export LIPSYNC_API_KEY=sandbox-key LIPSYNC_GATEWAY=http://127.0.0.1:8904
python metrics_prometheus.py
curl -s http://127.0.0.1:9108/metrics | grep ^lipsync_
"""

import asyncio

from lipsync_async import LipSyncClient, RequestBuilder
from lipsync_async.metrics import Metrics
from prometheus_client import REGISTRY, start_http_server


async def main() -> None:
    """Ten jobs, followed to their videos."""
    metrics = Metrics({"account": "main"})
    REGISTRY.register(metrics)
    start_http_server(9108, "127.0.0.1")
    template = (
        RequestBuilder()
        .session("825465778199224380")
        .face("0")
        .audio_id("825451760499568680")
        .window(0, 5000)
    )
    jobs = [
        template.external_task_id(f"counted-{number}").build() for number in range(10)
    ]
    async with LipSyncClient(observer=metrics.observe) as client:
        metrics.watch(client)
        results = await client.run_many(jobs)
    print(results)


if __name__ == "__main__":
    asyncio.run(main())
