"""Fixtures of the journal's tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal shall be."""
    return tmp_path / "run.db"
