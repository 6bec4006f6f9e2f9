"""Run the sandbox alone: `python -m lipsync_async.sandbox`."""

from __future__ import annotations

from lipsync_async.sandbox.command import main

if __name__ == "__main__":
    raise SystemExit(main())
