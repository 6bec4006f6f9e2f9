"""The wing as a whole."""

from __future__ import annotations

import subprocess
import sys

from tests.wire.helpers import (
    HERE,
)


def test_importing_the_wire_is_light() -> None:
    """Nothing heavy is imported before a job line is read."""
    code = (
        "import sys, lipsync_async.wire.identity, lipsync_async.dispatch.retry, lipsync_async.wire.verdicts\n"
        "print({'aiohttp', 'anyio', 'asyncio', 'cattrs', 'sqlite3'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "set()", "")
