"""`python -m lipsync_async`, the same as the command `lipsync-async`."""

from __future__ import annotations

from lipsync_async.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
