"""Traces with OpenTelemetry: one span per job, and in it one per try.

    pip install lipsync-async opentelemetry-sdk
    lipsync-async sandbox --port 8904        # in another terminal; it prints its key
    export LIPSYNC_API_KEY=sandbox-key LIPSYNC_GATEWAY=http://127.0.0.1:8904
    python tracing_opentelemetry.py

The observer is called in the event loop, so it only makes spans;
a `BatchSpanProcessor` sends them from its own thread.
"""

import asyncio
import time

from lipsync_async import Event, LipSyncClient, RequestBuilder
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import Span, StatusCode, Tracer, set_span_in_context

OK = {"accept", "accepted", "succeeded"}


class Tracing:
    """`LipSyncClient(observer=Tracing(tracer))`.

    At the end, `close` ends the spans of jobs that did not come out.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._jobs: dict[str, Span] = {}

    def __call__(self, event: Event) -> None:
        """Makes spans of what is told; the rest are events of the job's span."""
        name, now = event.external_task_id, time.time_ns()
        if name is None:
            return
        began = now - int(event.seconds * 1e9)
        if event.name in {"attempt", "look_up"}:
            job = self._jobs.get(name) or self._begin(name, began)
            span = self._tracer.start_span(
                f"lipsync {event.name}", set_span_in_context(job), start_time=began
            )
            self._end(span, event, now)
        elif event.name == "outcome":
            self._end(self._jobs.get(name) or self._begin(name, began), event, now)
            del self._jobs[name]

    def close(self) -> None:
        """Ends what is open."""
        while self._jobs:
            self._jobs.popitem()[1].end()

    def _begin(self, name: str, at: int) -> Span:
        span = self._tracer.start_span(
            "lipsync job", start_time=at, attributes={"lipsync.external_task_id": name}
        )
        self._jobs[name] = span
        return span

    def _end(self, span: Span, event: Event, at: int) -> None:
        told = {
            "lipsync.action": event.action,
            "lipsync.kind": event.kind and str(event.kind),
            "lipsync.attempt": event.attempt,
            "lipsync.task_id": event.task_id,
            "http.response.status_code": event.http_status,
        }
        span.set_attributes(
            {key: value for key, value in told.items() if value is not None}
        )
        if event.action not in OK and event.name != "look_up":
            span.set_status(StatusCode.ERROR, str(event.kind or event.action))
        span.end(at)


async def main() -> None:
    """Three jobs, and their spans on standard output."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    tracing = Tracing(trace.get_tracer("my-service"))
    template = (
        RequestBuilder()
        .session("825465778199224380")
        .face("0")
        .audio_id("825451760499568680")
        .window(0, 5000)
    )
    jobs = [
        template.external_task_id(f"traced-{number}").build() for number in range(3)
    ]
    async with LipSyncClient(observer=tracing) as client:
        await client.submit_many(jobs)
    tracing.close()
    provider.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
