"""What the tests of the checks share."""

from __future__ import annotations

from lipsync_async.errors import Violation

HALF = "\ud800"
"""Half a surrogate pair."""


def told(found: list[Violation]) -> list[tuple[str, str]]:
    """The violations as pairs of path and rule: without the face's path, and with `?` after the rule of a warning."""
    return [(v.path.removeprefix("face_choose[0]."), v.rule + "?" * (v.severity == "warning")) for v in found]
