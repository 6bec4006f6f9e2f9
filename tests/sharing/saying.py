"""Reports for tests of stores."""

from __future__ import annotations

from lipsync_async.config import Limits
from lipsync_async.dispatch.pacing.exchange import News, Report, Rules

RULES = Rules.of(Limits())


def say(member: str, number: int, waiting: int = 0, *news: News) -> Report:
    """What a member says."""
    return Report(member, number, RULES, waiting, 0, news)
