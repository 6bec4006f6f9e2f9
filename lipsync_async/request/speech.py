"""The audio that was made of a text (contract, section 1)."""

from __future__ import annotations

from attrs import frozen

from lipsync_async.models import SpeechSource

LIFE = 30 * 24 * 3600.0
"""Seconds for which an audio can be used."""


@frozen(kw_only=True)
class Speech:
    """An audio that was made of a text; `builder.speech(speech)` speaks it."""

    audio_id: str
    source: SpeechSource
    made_at: float
    """When it was asked for, in Unix seconds."""
    seconds: float | None = None
    """How long it plays; None: not told."""
    url: str | None = None
    """Where it can be listened to; None: not told."""
    units: str | None = None
    """What was charged, as the gateway tells it."""

    @property
    def expires_at(self) -> float:
        """When it runs out: 30 days after it was asked for, in Unix seconds."""
        return self.made_at + LIFE
