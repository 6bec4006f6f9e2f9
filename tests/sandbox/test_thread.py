"""A sandbox in a thread of its own."""

from __future__ import annotations

import http.client
import json
import threading

import pytest

from lipsync_async.sandbox import Sandbox, in_thread

from .helpers import ROUTE, job, raw


def test_code_without_a_loop_can_use_it() -> None:
    """A plain synchronous client talks to it, the ledger is read from here, and the thread ends with the block."""
    with in_thread(Sandbox()) as sandbox:
        connection = http.client.HTTPConnection(sandbox.base_url.removeprefix("http://"), timeout=5)
        headers = {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"}
        connection.request("POST", ROUTE, raw(job("a")), headers)
        assert json.loads(connection.getresponse().read())["code"] == 0
        connection.close()
        assert sandbox.ledger.accepted("a") == 1
    assert "lipsync-sandbox" not in {thread.name for thread in threading.enumerate()}


def test_a_failure_to_start_is_raised_here() -> None:
    """What hinders the start is raised where the block begins."""
    with in_thread(Sandbox()) as sandbox:
        second = in_thread(Sandbox(port=int(sandbox.base_url.rpartition(":")[2])))
        with pytest.raises(OSError, match="in use"):
            second.__enter__()
