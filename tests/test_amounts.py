"""The one number that a brief run changes."""

from __future__ import annotations

import pytest

from tests.amounts import how_many


@pytest.mark.parametrize(
    ("full", "brief"), [(1, 1), (9, 9), (10, 10), (11, 10), (109, 10), (110, 11), (300, 30), (2_000, 200)]
)
def test_a_brief_run_looks_at_a_tenth(full: int, brief: int) -> None:
    """At ten at least, where there are ten; a whole run looks at all."""
    assert how_many(full, brief=True) == brief
    assert how_many(full, brief=False) == full
