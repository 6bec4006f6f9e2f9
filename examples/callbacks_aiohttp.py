"""Callbacks with aiohttp: the gateway tells of an end, and the client looks at once.

The URL that jobs are given is `PUBLIC + callbacks.path`.
The path holds a token that nobody can guess.
"""

from __future__ import annotations

import os
import sys

from aiohttp import web
from lipsync_async import Callbacks, JobList, LipSyncClient

PUBLIC = os.environ.get("PUBLIC_URL", "https://jobs.example.com")
PORT = int(os.environ.get("PORT", "8080"))
SECRETS = os.environ.get("KLING_WEBHOOK_SECRETS", "").split()


def application(callbacks: Callbacks) -> web.Application:
    """A web application that receives callbacks; yours can take the route as well."""

    async def receive(request: web.Request) -> web.Response:
        # The raw bytes: what was parsed and written anew is signed by nobody.
        return web.Response(
            status=callbacks.receive(request.headers, await request.read())
        )

    app = web.Application()
    app.router.add_post(callbacks.path, receive)
    return app


async def main(path: str) -> None:
    """Runs a list of jobs, and serves their callbacks meanwhile."""
    async with LipSyncClient() as client:
        callbacks = client.callbacks(secrets=SECRETS)
        runner = web.AppRunner(application(callbacks))
        await runner.setup()
        await web.TCPSite(runner, port=PORT).start()
        try:
            print(f"jobs have callback_url {PUBLIC}{callbacks.path}", file=sys.stderr)
            with JobList.open(path) as jobs:
                results = await client.run_many(jobs, journal=f"{path}.db")
            for name, result in results.items():
                print(name, result)
        finally:
            await runner.cleanup()


if __name__ == "__main__":
    import asyncio

    asyncio.run(main(sys.argv[1]))
