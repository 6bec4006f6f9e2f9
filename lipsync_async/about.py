"""Which version of this package is installed; looked up when it is asked for, for that takes ten milliseconds."""

from __future__ import annotations

from functools import cache


@cache
def installed_version() -> str:
    """The version, such as `1.2.0`; `0+unknown` out of a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lipsync-async")
    except PackageNotFoundError:
        return "0+unknown"


def user_agent() -> str:
    """The User-Agent of every request."""
    return f"lipsync-async/{installed_version()}"
