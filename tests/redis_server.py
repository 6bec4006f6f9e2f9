"""A Redis of the tests' own, at a socket in a folder of theirs; it writes nothing to the disk."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
MISSING = "no redis-server is installed: apt-get install redis-server"


@contextmanager
def redis_server() -> Iterator[str]:
    """Yields its URL."""
    assert SERVER is not None, MISSING
    folder = Path(tempfile.mkdtemp(prefix="lipsync-redis-"))
    path = folder / "s"
    words = [SERVER, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    try:
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            for line in server.stdout:
                if "accept connections" in line:
                    break
            try:
                yield f"unix://{path}"
            finally:
                server.terminate()
                server.stdout.read()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
