"""The pytest plugin: the fixtures `lipsync_sandbox`, set up by a marker of the same name, and `lipsync_gateway`.

pytest loads this in every project that has the library, so nothing heavy is imported before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lipsync_async.gateways import Gateway
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
    try:
        made = Sandbox(**(marker.kwargs if marker else {}))
    except TypeError as error:  # a WrongArgumentError, too
        pytest.fail(f"the marker lipsync_sandbox: {error}", pytrace=False)
    with in_thread(made) as sandbox:
        yield sandbox


@pytest.fixture
def lipsync_gateway(lipsync_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The sandbox as a `Gateway`, for `LipSyncClient(lipsync_gateway)`: its key is in `LIPSYNC_API_KEY` meanwhile.

    Its settle and hold times are as short as the sandbox allows, so that lost replies are cleared up in about a second
    in place of minutes.
    """
    from lipsync_async.gateways import Gateway

    monkeypatch.setenv("LIPSYNC_API_KEY", lipsync_sandbox.api_key)
    options = lipsync_sandbox
    return Gateway(
        name="sandbox",
        base_url=lipsync_sandbox.base_url,
        fractional_volumes=options.fractional_volumes,
        accepts_aac=options.accept_aac,
        lists_tasks=not options.no_list,
        settle_time=1.0 + options.store_delay / options.time_scale + options.latency,
        hold_time=1.0 + options.slow_seconds + options.latency,
    )
