"""`sandbox`: the gateway on loopback, alone."""

from __future__ import annotations

import argparse

from lipsync_async.sandbox import serve


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM; gives the exit code."""
    return serve(args)
