"""Signed URLs of the file host: each has a number and a moment at which it runs out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

FOLDER = "/files/"
VIDEO, PICTURE = ".mp4", ".jpg"


class Links:
    """Signs URLs, and reads those that come back; `life` is in seconds."""

    def __init__(self, life: float, seed: int) -> None:
        self._life = life
        self._secret = f"links-{seed}".encode()
        self.made = 0
        """How many URLs were signed."""

    def sign(self, name: str, now: float) -> str:
        """Path and query of a fresh URL; `now` in seconds since 1970."""
        self.made += 1
        expires = f"{now + self._life:.3f}"
        number = f"{self.made:08x}"
        signature = number + self._sign(name, expires, number)
        return f"{FOLDER}{name}?expires={expires}&signature={signature}"

    def read(self, name: str, query: Mapping[str, str], now: float) -> int | None:
        """The number of a URL, None where it has run out or was never signed."""
        expires, signature = query.get("expires", ""), query.get("signature", "")
        number, digest = signature[:8], signature[8:]
        if not hmac.compare_digest(self._sign(name, expires, number).encode(), digest.encode()):
            return None
        return int(number, 16) if now < float(expires) else None

    def _sign(self, name: str, expires: str, number: str) -> str:
        return hmac.new(self._secret, f"{name}\n{expires}\n{number}".encode(), hashlib.sha256).hexdigest()
