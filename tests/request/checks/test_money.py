"""What a request costs."""

from __future__ import annotations

import pytest

from lipsync_async.request.checks import billed_units
from tests.makers import request


@pytest.mark.parametrize(("cut", "units"), [(2000, 0.5), (5000, 0.5), (5001, 1.0), (10_000, 1.0), (60_000, 6.0)])
def test_billed_units(cut: int, units: float) -> None:
    """Half a unit per started 5 s of the cut, wherever it begins."""
    assert billed_units(request(sound_start_time=700, sound_end_time=700 + cut)) == units


def test_billed_units_have_a_least_step() -> None:
    """Nothing is billed at less than one step."""
    assert billed_units(request(face_choose=[])) == 0.5
