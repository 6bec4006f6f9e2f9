"""A service with aiohttp: `POST /dub` submits a job, `GET /dub/{id}` looks it up."""

import os
from collections.abc import AsyncIterator

from aiohttp import web
from lipsync_async import (
    InvalidRequestError,
    JournalError,
    LipSyncClient,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    RequestBuilder,
)

CLIENT = web.AppKey("CLIENT", LipSyncClient)
JOURNAL = os.environ.get("DUB_JOURNAL", "service.db")  # or postgresql://...


async def client(app: web.Application) -> AsyncIterator[None]:
    """One client for as long as the application lives: all requests share its pace."""
    async with LipSyncClient() as app[CLIENT]:
        yield


async def dub(request: web.Request) -> web.Response:
    asked = await request.json()
    try:
        job = (
            RequestBuilder()
            .session(asked["session"])
            .face(asked["face"])
            .audio_id(asked["audio"])
            .window(0, 5000)
        )
        accepted = await request.app[CLIENT].submit(
            job.external_task_id(asked["id"]).build(), journal=JOURNAL
        )
    except (
        InvalidRequestError,
        RejectedError,
    ) as error:  # the caller must change something
        return web.json_response({"error": str(error)}, status=422)
    except (
        NotSentError,
        JournalError,  # another process has it, or the disk is full
    ) as error:  # the caller may try again
        return web.json_response({"error": str(error)}, status=503)
    except (
        OutcomeUnknownError
    ) as error:  # it may have been charged: the same id again looks it up
        return web.json_response({"error": str(error)}, status=504)
    return web.json_response(
        {"id": accepted.external_task_id, "task": accepted.task_id}, status=202
    )


async def state(request: web.Request) -> web.Response:
    found = await request.app[CLIENT].look_up(request.match_info["id"])
    return web.json_response(
        {"found": found.found, "task": found.task_id, "status": found.task_status}
    )


def application() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_post("/dub", dub)
    app.router.add_get("/dub/{id}", state)
    return app


if __name__ == "__main__":
    web.run_app(application(), port=8080)
