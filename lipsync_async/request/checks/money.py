"""What a request costs."""

from __future__ import annotations

from lipsync_async.models import LipSyncRequest


def billed_units(request: LipSyncRequest) -> float:
    """Units at list price for a valid request: 0.5 per started 5 s of the cut sound (contract, section 7)."""
    steps = sum(-((face.sound_start_time - face.sound_end_time) // 5_000) for face in request.face_choose)
    return 0.5 * max(1, steps)
