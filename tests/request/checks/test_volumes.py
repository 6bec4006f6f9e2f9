"""The two volumes."""

from __future__ import annotations

from typing import Any

import pytest

from lipsync_async.gateways import KLING
from lipsync_async.request.checks import check
from tests.makers import request
from tests.request.checks.told import told


@pytest.mark.parametrize("name", ["sound_volume", "original_audio_volume"])
@pytest.mark.parametrize(
    ("value", "strictest", "kling"),
    [
        (0, ["volume_zero_dropped?"], []),
        (0.0, ["volume_zero_dropped?"], []),
        (1, [], []),
        (1.0, [], []),
        (2, [], []),
        (0.5, ["volume_fractional"], []),
        (1.99, ["volume_fractional"], []),
        (-0.01, ["volume_out_of_range"], ["volume_out_of_range"]),
        (2.01, ["volume_out_of_range"], ["volume_out_of_range"]),
        (-1, ["volume_out_of_range"], ["volume_out_of_range"]),
        (3, ["volume_out_of_range"], ["volume_out_of_range"]),
        pytest.param(10**5000, ["volume_out_of_range"], ["volume_out_of_range"], id="huge"),
        (float("inf"), ["volume_out_of_range"], ["volume_out_of_range"]),
        (float("nan"), ["not_a_number"], ["not_a_number"]),
        (True, ["not_a_number"], ["not_a_number"]),
        ("1", ["not_a_number"], ["not_a_number"]),
        (None, ["not_a_number"], ["not_a_number"]),
    ],
)
def test_volumes(name: str, value: Any, strictest: list[str], kling: list[str]) -> None:
    """0 to 2; fractions and zeros as the gateway takes them."""
    assert told(check(request(**{name: value}))) == [(name, rule) for rule in strictest]
    assert told(check(request(**{name: value}), KLING)) == [(name, rule) for rule in kling]
