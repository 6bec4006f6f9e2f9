"""What this package is called, and which version of it is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("lipsync-async")
except PackageNotFoundError:  # out of a checkout that was never installed
    VERSION = "0+unknown"
AGENT = f"lipsync-async/{VERSION}"
"""The User-Agent of every request."""
