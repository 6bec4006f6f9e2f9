"""The jobs that all benchmarks submit: a URL for a sound, some 500 bytes of JSON each."""

from __future__ import annotations

from collections.abc import Iterator

from lipsync_async import LipSyncRequest, RequestBuilder

TEMPLATE = (
    RequestBuilder()
    .session("825465778199224380")
    .face("-1")
    .audio_url("https://cdn.example.com/audio/" + "a" * 120 + ".mp3")
    .window(0, 5000)
    .callback("https://hooks.example.com/kling/done")
    .volume(1, 1)
)


def generated(count: int) -> Iterator[LipSyncRequest]:
    """One at a time, as a caller with a long list would."""
    return (TEMPLATE.external_task_id(f"job-{number:08d}").build() for number in range(count))


def requests(count: int) -> list[LipSyncRequest]:
    return list(generated(count))
