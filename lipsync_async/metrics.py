"""Metrics of clients for Prometheus (the extra `metrics`): what is counted while they work, and what they know.

    metrics = Metrics()
    prometheus_client.REGISTRY.register(metrics)
    async with LipSyncClient("chainhub", observer=metrics.observe) as client:
        metrics.watch(client)

Any number of clients may share one `Metrics`; with `labels` each account can have one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakSet

try:
    from prometheus_client import Counter, Histogram, Metric
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError("lipsync_async.metrics needs prometheus-client: pip install lipsync-async[metrics]") from error

from .client import LipSyncClient
from .dispatch.account import Event
from .errors import ClientClosedError

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_COUNTED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "attempts": ("Creates that came back, by what follows and why", ("action", "kind")),
    "outcomes": ("Jobs that came out", ("outcome", "kind")),
    "look_ups": ("Questions for jobs whose reply was lost, by what was said", ("action",)),
    "looks": ("Questions for tasks that are waited for, by what was said", ("action",)),
    "task_ends": ("Tasks that were seen to end", ("ending", "kind")),
    "sources": ("Calls for videos and texts, by what became of them", ("source", "action")),
    "units_estimated": ("Units at list price of the tasks that were seen to end", ()),
    "units_charged": ("Units that the gateway says were charged, for tasks, videos and texts", ("what",)),
    "pauses": ("Times that the gate was closed", ()),
    "pause_seconds": ("Seconds for which the gate was closed", ()),
    "stops": ("Times that all batches were ended", ("kind",)),
}
_KNOWN: Mapping[str, str] = {
    "pace": "Requests a second now; infinity: they are not spaced",
    "in_flight": "Requests in flight",
    "running_tasks": "Tasks that were accepted and not yet seen to end",
    "running_tasks_ceiling": "Tasks that may run at once, as learned; infinity: no limit is known",
    "gate_open": "1: requests may be sent; 0: all wait",
    "tasks_waited_for": "Tasks that are waited for",
    "task_seconds_median": "Seconds from a create to the end of its task, as learned; NaN: too few have ended",
    "freshness_seconds": "Seconds by which the gateway tells an end late, nine times of ten, as learned",
}


class Metrics(Collector):
    """An observer that counts, and a collector that a registry may ask from any thread.

    `labels` are put on every metric, such as `{"account": "main"}`.
    `prefix` begins every name.
    No label holds an id, so the number of time series does not grow with the jobs.
    """

    def __init__(self, labels: Mapping[str, str] | None = None, *, prefix: str = "lipsync") -> None:
        self._labels = dict(labels or {})
        self._prefix = prefix
        self._clients: WeakSet[LipSyncClient] = WeakSet()
        names = tuple(self._labels)
        self._counters = {
            name: Counter(f"{prefix}_{name}", text, (*names, *more), registry=None)
            for name, (text, more) in _COUNTED.items()
        }
        text = "Seconds that a create took"
        self._seconds = Histogram(f"{prefix}_attempt_seconds", text, names, buckets=_SECONDS, registry=None)

    def observe(self, event: Event) -> None:
        """Counts what happened: `LipSyncClient(observer=metrics.observe)`."""
        why = "" if event.kind is None else str(event.kind)
        match event.name:
            case "attempt":
                self._count("attempts", event.action, why)
                self._labelled(self._seconds).observe(event.seconds)
            case "outcome":
                self._count("outcomes", event.action, why)
            case "look_up":
                self._count("look_ups", event.action)
            case "look":
                self._count("looks", event.action)
            case "end":
                self._count("task_ends", event.action, why)
                self._count("units_estimated", by=event.estimated_units or 0.0)
                self._count("units_charged", "task", by=event.units or 0.0)
            case "source":
                self._count("sources", event.source or "", event.action)
                self._count("units_charged", event.source or "", by=event.units or 0.0)
            case "pause":
                self._count("pauses")
                self._count("pause_seconds", by=event.seconds)
            case "stop":
                self._count("stops", why)

    def watch(self, client: LipSyncClient) -> None:
        """From now on the figures of this client are told as well; one that is closed or gone tells nothing."""
        self._clients.add(client)

    def collect(self) -> Iterable[Metric]:
        """What a registry asks for; it waits for nothing."""
        for counter in self._counters.values():
            yield from counter.collect()
        yield from self._seconds.collect()
        sums = _add_up(_figures(client) for client in tuple(self._clients))
        for name, text in _KNOWN.items():
            if name in sums:
                family = GaugeMetricFamily(f"{self._prefix}_{name}", text, labels=tuple(self._labels))
                family.add_metric(tuple(self._labels.values()), sums[name])
                yield family

    def _count(self, name: str, *labels: str, by: float = 1.0) -> None:
        counter = self._counters[name]
        values = (*self._labels.values(), *labels)
        (counter.labels(*values) if values else counter).inc(by)

    def _labelled(self, histogram: Histogram) -> Histogram:
        return histogram.labels(*self._labels.values()) if self._labels else histogram


def _figures(client: LipSyncClient) -> dict[str, float]:
    """What one client knows now; nothing where it has not begun, or was closed."""
    try:
        pacer, following = client.statistics(), client.following()
    except ClientClosedError:
        return {}
    median = following.median_duration
    return {
        "pace": pacer.pace,
        "in_flight": pacer.in_flight,
        "running_tasks": pacer.live_tasks,
        "running_tasks_ceiling": pacer.ceiling,
        "gate_open": float(pacer.gate_open),
        "tasks_waited_for": following.tasks,
        "task_seconds_median": float("nan") if median is None else median,
        "freshness_seconds": following.freshness,
    }


_WORST: Mapping[str, bool] = {"gate_open": False, "task_seconds_median": True, "freshness_seconds": True}
"""Figures of several clients that are no sum: the least of them, or (True) the greatest."""


def _add_up(figures: Iterator[dict[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for one in figures:
        for name, value in one.items():
            if name not in sums:
                sums[name] = value
            elif name in _WORST:
                sums[name] = max(sums[name], value) if _WORST[name] else min(sums[name], value)
            else:
                sums[name] += value
    return sums
