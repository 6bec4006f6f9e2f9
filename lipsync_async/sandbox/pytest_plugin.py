"""The pytest plugin: a fixture `lipsync_sandbox`, set up by a marker of the same name.

pytest loads this in every project that has the library, so nothing heavy is imported before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lipsync_async.sandbox.server import Sandbox

_MARKER = "lipsync_sandbox(**options): options of lipsync_async.sandbox.Sandbox for the fixture `lipsync_sandbox`"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def lipsync_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A running gateway on loopback, served from a thread of its own: `base_url`, `api_key`, `ledger`."""
    from lipsync_async.sandbox.server import Sandbox
    from lipsync_async.sandbox.thread import in_thread

    marker = request.node.get_closest_marker("lipsync_sandbox")
    if marker is not None and marker.args:
        pytest.fail("the marker lipsync_sandbox takes options by name", pytrace=False)
    with in_thread(Sandbox(**(marker.kwargs if marker else {}))) as sandbox:
        yield sandbox
