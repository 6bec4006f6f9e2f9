"""The command that `waits` kills: the real one, at a gateway that settles within a second: no run takes minutes."""

from __future__ import annotations

import sys

from lipsync_async import gateways
from lipsync_async.cli import main

if __name__ == "__main__":
    url, *arguments = sys.argv[1:]
    profile = gateways.Gateway(name="stand", base_url=url, settle_time=1.0, hold_time=1.0)
    gateways.GATEWAYS = {**gateways.GATEWAYS, "stand": profile}
    raise SystemExit(main([*arguments, "--gateway", "stand"]))
