"""Raw gateways that make a task of its own for every job, and the rooms of a run without a run or a socket."""

from __future__ import annotations

from tests.loopback import raw
from tests.loopback.raw import NOT_FOUND, Connection, Script

__all__ = ["NOT_FOUND", "RawServer", "answering", "created", "gateway"]


def created(external_task_id: str, task_id: str | None = None) -> bytes:
    """Kling's answer to a create; every job has a task of its own."""
    return raw.created(external_task_id, task_id or f"task-of-{external_task_id}")


async def gateway(connection: Connection) -> None:
    """A script that accepts every create and finds no task."""
    while request := await connection.request():
        await connection.send(created(request.external_task_id) if request.method == "POST" else NOT_FOUND)


def answering(*replies: bytes | None, found: bytes = NOT_FOUND) -> Script:
    """Answers the creates with these replies in turn, the last of them from then on; None accepts. Queries: `found`."""
    left = list(replies)

    async def play(connection: Connection) -> None:
        while request := await connection.request():
            if request.method == "POST":
                answer = left.pop(0) if len(left) > 1 else left[0]
                await connection.send(answer or created(request.external_task_id))
            else:
                await connection.send(found)

    return play


class RawServer(raw.RawServer):
    """A raw gateway that accepts every create, unless a script says otherwise."""

    def __init__(self, *scripts: Script, always: Script | None = None) -> None:
        super().__init__(*scripts, always=always or gateway)
