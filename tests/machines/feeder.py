"""`feed` that dies by SIGKILL when its second piece is in the queue, and not yet noted."""

from __future__ import annotations

import os
import signal
import sys

from lipsync_async.cli import main
from lipsync_async.engines import postgres_queue
from lipsync_async.journal.shared import SharedJournal

PIECE = 10


def _arm() -> None:
    remember = SharedJournal.remember
    noted: list[str] = []

    async def deadly(self: SharedJournal, name: str, value: str) -> None:
        if noted and name.startswith("fed "):
            os.kill(os.getpid(), signal.SIGKILL)
        noted.append(name)
        await remember(self, name, value)

    SharedJournal.remember = deadly  # type: ignore[method-assign]
    postgres_queue.AT_ONCE = PIECE


if __name__ == "__main__":
    _arm()
    sys.exit(main(sys.argv[1:]))
