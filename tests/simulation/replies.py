"""What the modelled gateway says, in bytes."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TypeAlias

EPOCH = 1_790_000_000.0
"""Unix seconds at the virtual clock's zero."""
GOOD_KEY = "good-key"

Answer: TypeAlias = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""

FRAMEWORKS: dict[str, bytes] = {
    "detail": b'{"detail":"Not Found"}',
    "spring": b'{"timestamp":"2026-11-28T10:00:00","status":404,"error":"Not Found","path":"/v1/videos/x"}',
    "express": b"Cannot GET /kling/v1/videos/advanced-lip-sync/x",
    "gin": b"404 page not found",
    "nginx": b"<html><head><title>404 Not Found</title></head><body>nginx</body></html>",
    "message": b'{"message":"Not Found"}',
    "error": b'{"error":{"message":"The requested resource was not found","type":"invalid_request_error"}}',
    "empty": b"",
}
"""404s of frameworks and proxies that have no such route."""


def envelope(status: int, code: int, message: str) -> Answer:
    """A refusal, or a success without a task, in the platform's envelope."""
    return status, {}, json.dumps({"code": code, "message": message, "request_id": "r-1"}).encode()


def data(told: object) -> Answer:
    """A success in the platform's envelope."""
    return 200, {}, json.dumps({"code": 0, "message": "SUCCEED", "data": told}).encode()


def page(status: int) -> Answer:
    """A proxy's page."""
    return status, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html><body>%d</body></html>" % status


def token(now: float, issuer: str = "access-key-1") -> str:
    """A JSON web token as Kling's own: a new one each time, of one account."""
    return f"e30.{b64encode(json.dumps({'iss': issuer, 'iat': now}).encode()).decode()}.signature"
