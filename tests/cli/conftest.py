"""What all tests of the command share."""

from __future__ import annotations

import pytest

from .helpers import KEY


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's key in the environment, and no other."""
    for name in ("CHAINHUB_API_KEY", "ANYAPI_API_KEY", "KLING_API_KEY", "KLING_ACCESS_KEY", "LIPSYNC_GATEWAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIPSYNC_API_KEY", KEY)
