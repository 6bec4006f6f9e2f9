"""Callbacks with FastAPI, or any other Starlette application.

`uvicorn callbacks_fastapi:app` serves it; the client lives in the same event loop.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from lipsync_async import Callbacks, LipSyncClient

SECRETS = os.environ.get("KLING_WEBHOOK_SECRETS", "").split()


def receive_at(app: FastAPI, callbacks: Callbacks) -> None:
    """Adds the route of the callbacks."""

    async def receive(request: Request) -> Response:
        # The raw bytes: what was parsed and written anew is signed by nobody.
        return Response(
            status_code=callbacks.receive(request.headers, await request.body())
        )

    app.add_api_route(
        callbacks.path, receive, methods=["POST"], include_in_schema=False
    )


def application(callbacks: Callbacks) -> FastAPI:
    """An application that does nothing else."""
    app = FastAPI()
    receive_at(app, callbacks)
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """A client for as long as the application lives: `app.state.client`."""
    async with LipSyncClient() as client:
        app.state.client = client
        receive_at(app, client.callbacks(secrets=SECRETS))
        yield


app = FastAPI(lifespan=lifespan)
