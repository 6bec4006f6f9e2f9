"""A service with FastAPI that comes to the videos.

It answers at once, waits meanwhile, and goes on after a restart.

`uvicorn service_videos:app` serves it, as one process: what is told is in its memory.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, HTTPException
from lipsync_async import (
    Accepted,
    InvalidRequestError,
    JournalError,
    LipSyncClient,
    LipSyncError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    RequestBuilder,
)
from pydantic import BaseModel

JOURNAL = Path(os.environ.get("DUB_JOURNAL", "service.db"))


class Line(BaseModel):
    """A line of speech for a video; `id` is the caller's own name for it."""

    id: str
    video: str
    text: str
    voice: str


async def watch(app: FastAPI, accepted: Accepted) -> None:
    """Waits for one task, and fetches its video."""
    try:
        ending = await app.state.client.wait(accepted, timeout=None)
        app.state.told[accepted.external_task_id] = ending.name
        await app.state.client.download(accepted, "videos")
    except LipSyncError as error:  # the task failed, or its video could not be fetched
        app.state.told[accepted.external_task_id] = str(error)


def was_here() -> bool:
    """An earlier process left a journal."""
    return JOURNAL.exists()


async def resume(app: FastAPI) -> None:
    """The tasks of an earlier process: told if they ended, else waited for."""
    async with app.state.client.follow(JOURNAL, download="videos") as results:
        async for result in results:
            app.state.told[result.external_task_id] = result.name


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """One client for as long as the application lives; all waits end with it."""
    app.state.told = {}
    async with (
        LipSyncClient() as app.state.client,
        asyncio.TaskGroup() as app.state.waits,
    ):
        background = [app.state.waits.create_task(resume(app))] if was_here() else []
        app.state.background = set(background)
        yield
        for task in app.state.background:
            task.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/lines", status_code=202)
async def dub(line: Line) -> dict[str, str]:
    """Submits one line, and waits for its video in the background."""
    job = (
        RequestBuilder()
        .video(line.video, face="longest")
        .text(line.text, line.voice)
        .external_task_id(line.id)
    )
    try:
        accepted = await app.state.client.submit(job.build(), journal=JOURNAL)
    except (InvalidRequestError, RejectedError) as error:
        raise HTTPException(422, str(error)) from error
    except (NotSentError, JournalError) as error:
        raise HTTPException(503, str(error)) from error
    except OutcomeUnknownError as error:
        raise HTTPException(504, str(error)) from error
    task = app.state.waits.create_task(watch(app, accepted))
    app.state.background.add(task)
    task.add_done_callback(app.state.background.discard)
    return {"id": line.id, "task": accepted.task_id}


@app.get("/lines/{name}")
async def state(name: str) -> dict[str, str]:
    """How far a line is."""
    if name in app.state.told:
        return {"state": app.state.told[name]}
    found = await app.state.client.look_up(name)
    if not found.found:
        raise HTTPException(404, "there is no such line")
    return {"state": "running"}
