"""How many worlds and examples a test looks at: all of them, or a tenth where `LIPSYNC_BRIEF` is set.

The gate runs the whole suite once on the source, and briefly over the wheel: whether a world holds does not depend on
the version of a library or of Python, and whether everything runs with them, few worlds show.
Tests that prove something by their number alone, as those that look for a planted bug, do not ask here.
"""

from __future__ import annotations

import os

BRIEF = bool(os.environ.get("LIPSYNC_BRIEF"))
FEWEST = 10
"""No test gets fewer, unless it wants fewer."""


def how_many(full: int, *, brief: bool = BRIEF) -> int:
    """The number for this run."""
    return max(full // 10, min(full, FEWEST)) if brief else full
