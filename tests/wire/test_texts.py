"""What a gateway says, made fit to be shown."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.wire.helpers import (
    reply,
)


@pytest.mark.parametrize(
    "secret",
    [
        "A" * 101,
        b64encode(bytes(range(256)) * 4).decode(),
        b64encode(bytes(range(256)) * 4).decode().replace("/", "\\/"),
        "\n".join([b64encode(bytes(range(57))).decode()] * 4),
        "Bearer abc.def-123",
        "bearer  sk-0123456789",
        "sk-AbCdEfGhIjKlMnOp",
        "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhayJ9.c2ln",
    ],
)
def test_messages_hold_no_secret_and_no_sound(secret: str) -> None:
    """A gateway that quotes the request back does not put it into our logs."""
    message = reply({"code": 1, "message": f"bad: {secret} !"}, 400).message
    assert message.startswith("bad: ")
    assert message.endswith(" !")
    assert secret[7:] not in message
    assert len(message) < 40


def test_short_base64_stays_readable() -> None:
    """An id or a word of up to 100 characters is left alone."""
    assert reply({"code": 1, "message": "bad: " + "A" * 100}, 400).message == "bad: " + "A" * 100
