"""A service with FastAPI: `POST /dub` submits a job, `GET /dub/{id}` looks it up.

`uvicorn service_fastapi:app` serves it. Several workers need a journal that all can write:
`DUB_JOURNAL=postgresql://...`
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from lipsync_async import (
    InvalidRequestError,
    JournalError,
    LipSyncClient,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    RequestBuilder,
)
from pydantic import BaseModel

JOURNAL = os.environ.get("DUB_JOURNAL", "service.db")  # or postgresql://...


class Dub(BaseModel):
    """What the caller asks for; `id` is the caller's own name for the job."""

    id: str
    session: str
    face: str
    audio: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """One client for as long as the application lives: all requests share its pace."""
    async with LipSyncClient() as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/dub", status_code=202)
async def dub(asked: Dub) -> dict[str, str]:
    """Submits one job, once: the same id again tells the same task."""
    try:
        job = (
            RequestBuilder()
            .session(asked.session)
            .face(asked.face)
            .audio_id(asked.audio)
            .window(0, 5000)
        )
        accepted = await app.state.client.submit(
            job.external_task_id(asked.id).build(), journal=JOURNAL
        )
    except (
        InvalidRequestError,
        RejectedError,
    ) as error:  # the caller must change something
        raise HTTPException(422, str(error)) from error
    except (
        NotSentError,
        JournalError,  # another process has it, or the disk is full
    ) as error:  # the caller may try again
        raise HTTPException(503, str(error)) from error
    except (
        OutcomeUnknownError
    ) as error:  # it may have been charged: the same id again looks it up
        raise HTTPException(504, str(error)) from error
    return {"id": accepted.external_task_id, "task": accepted.task_id}


@app.get("/dub/{name}")
async def state(name: str) -> dict[str, object]:
    """Asks the gateway for the task of an id."""
    found = await app.state.client.look_up(name)
    return {"found": found.found, "task": found.task_id, "status": found.task_status}
