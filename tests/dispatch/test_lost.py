"""The line about lost replies: several together, until when, and not too often."""

from __future__ import annotations

import asyncio
import logging
import re
import time

import pytest

from lipsync_async.dispatch.lookup import Ambiguity, Inquiry
from lipsync_async.dispatch.lost import APART, LostReplies, latest
from lipsync_async.terms import Kind, Phase
from tests.loopback.acts import tell
from tests.loopback.hurried import hurry
from tests.loopback.misdeeds import hang

AMBIGUITY = Ambiguity(attempt=1, sent_at=0.0, phase=Phase.SENT, kind=Kind.TIMEOUT)
LOG = logging.getLogger("tests.lost")
NOON = 1_700_000_000.0


@pytest.mark.parametrize(
    ("held_until", "trusted", "until"),
    [(float("-inf"), True, 160.0), (100.0 + 39.9, True, 160.0), (100.0 + 120.0, True, 240.0), (220.0, False, 115.0)],
)
def test_the_last_look_up_ends_it(held_until: float, trusted: bool, until: float) -> None:
    """After the settle time, and twice a sixth of it after the hold time; soon where look-ups prove nothing."""
    inquiry = Inquiry(AMBIGUITY, since=100.0, held_until=held_until)
    assert latest(inquiry, 60.0, trusted=trusted) == pytest.approx(until)


def at(seconds: float) -> str:
    """The time of day so many seconds after noon."""
    return time.strftime("%H:%M:%S", time.localtime(NOON + seconds))


def test_what_is_lost_together_stands_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """With the latest of their ends; the next line comes no sooner than half a minute later."""
    caplog.set_level(logging.INFO, "tests.lost")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        lost = LostReplies(loop, lambda: NOON + loop.time() - began, LOG)
        lost.add(began + 90.0)
        lost.add(began + 60.0)
        assert not caplog.messages
        await asyncio.sleep(1.1)
        assert caplog.messages == [f"2 replies were lost; looking them up until {at(90)}"]
        lost.add(began + 100.0)
        await asyncio.sleep(APART - 1.0)
        assert len(caplog.messages) == 1
        await asyncio.sleep(2.0)
        assert caplog.messages[1:] == [f"1 reply was lost; looking it up until {at(100)}"]

    hurry(main())


def test_where_nobody_listens_nothing_is_planned(caplog: pytest.LogCaptureFixture) -> None:
    """Not even a timer."""
    caplog.set_level(logging.WARNING, "tests.lost")

    async def main() -> None:
        lost = LostReplies(asyncio.get_running_loop(), time.time, LOG)
        lost.add(1.0)
        assert lost._timer is None

    hurry(main())


def test_a_client_tells_of_a_lost_reply(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, by the library's one logger, with the moment when its look-ups end."""
    caplog.set_level(logging.INFO, "lipsync_async")
    tell(hang)
    lines = [record.getMessage() for record in caplog.records if record.name == "lipsync_async"]
    assert [line for line in lines if re.fullmatch(r"1 reply was lost; looking it up until \d\d:\d\d:\d\d", line)]
