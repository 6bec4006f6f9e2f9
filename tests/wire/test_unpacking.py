"""Bodies that are capped and unpacked."""

from __future__ import annotations

import zlib

import pytest

from lipsync_async.wire.unpacking import MAX_REPLY, inflate
from tests.loopback.raw import gzipped


@pytest.mark.parametrize(
    ("raw", "encoding", "expected"),
    [
        (gzipped(b"{}"), "gzip", (b"{}", False)),
        (gzipped(b"{}"), "x-gzip", (b"{}", False)),
        (zlib.compress(b"{}"), "deflate", (b"{}", False)),
        (gzipped(b"{}")[:-1], "gzip", (b"{}", True)),
        (b"", "gzip", (b"", True)),
        (b"{}", "gzip", (b"", True)),
        (b"{}", "br", (b"", True)),
        (gzipped(b" " * (MAX_REPLY + 1)), "gzip", (b" " * MAX_REPLY, True)),
        (gzipped(b" " * (MAX_REPLY - 1)), "gzip", (b" " * (MAX_REPLY - 1), False)),
    ],
)
def test_a_body_is_unpacked_up_to_the_cap(raw: bytes, encoding: str, expected: tuple[bytes, bool]) -> None:
    """What ended early, is over the cap or is something else is broken, and told as such."""
    assert inflate(raw, encoding) == expected
