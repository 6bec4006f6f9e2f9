"""Settings and fixtures for every test: no result may depend on how fast or how busy the machine is."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lipsync_async.journal import Store
from lipsync_async.wire import transport
from tests.amounts import how_many

# The gate (CI is set) looks at the same examples each time; everybody's own runs look further.
settings.register_profile(
    "any-machine",
    deadline=None,
    max_examples=how_many(100),
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    database=None,
)
settings.load_profile("any-machine")


@pytest.fixture(params=["lean", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way that small requests of a client with a session of its own take: a test that uses it runs twice."""
    if request.param == "plain":
        monkeypatch.setattr(transport, "missing", lambda: "a test says so")
    return str(request.param)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each commit that any journal makes from now on."""
    sizes: list[int] = []
    write_rows = Store.write_rows

    def counting(store: Store, groups: list[Any]) -> None:
        sizes.append(sum(len(group.rows) for group in groups))
        write_rows(store, groups)

    monkeypatch.setattr(Store, "write_rows", counting)
    return sizes
