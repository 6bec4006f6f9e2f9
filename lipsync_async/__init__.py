"""Bulk lip-sync jobs for Kling's advanced lip sync: bounded, paced, never paid for twice, keyed by external_task_id.

Names are loaded when they are first asked for: the import itself loads neither aiohttp nor asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import LipSyncClient
    from .config import Limits, RetryPolicy, RunOptions, Timeouts
    from .dispatch.account import Event
    from .dispatch.streaming import Progress
    from .errors import (
        InvalidRequestError,
        LipSyncError,
        NotSentError,
        OutcomeUnknownError,
        RejectedError,
        Violation,
    )
    from .gateways import ANYAPI, CHAINHUB, KLING, Gateway
    from .models import FaceChoice, LipSyncRequest
    from .outcomes import Accepted, BatchResult, NotSent, Rejected, Unknown
    from .request.audio import AudioBytes, AudioFile
    from .request.builder import RequestBuilder
    from .request.checks import check

__all__ = [
    "ANYAPI",
    "CHAINHUB",
    "KLING",
    "Accepted",
    "AudioBytes",
    "AudioFile",
    "BatchResult",
    "Event",
    "FaceChoice",
    "Gateway",
    "InvalidRequestError",
    "Limits",
    "LipSyncClient",
    "LipSyncError",
    "LipSyncRequest",
    "NotSent",
    "NotSentError",
    "OutcomeUnknownError",
    "Progress",
    "Rejected",
    "RejectedError",
    "RequestBuilder",
    "RetryPolicy",
    "RunOptions",
    "Timeouts",
    "Unknown",
    "Violation",
    "check",
]

_ROOMS = {
    "dispatch.account": ("Event",),
    "request.audio": ("AudioBytes", "AudioFile"),
    "request.builder": ("RequestBuilder",),
    "request.checks": ("check",),
    "client": ("LipSyncClient",),
    "config": ("Limits", "RetryPolicy", "RunOptions", "Timeouts"),
    "errors": (
        "InvalidRequestError",
        "LipSyncError",
        "NotSentError",
        "OutcomeUnknownError",
        "RejectedError",
        "Violation",
    ),
    "gateways": ("ANYAPI", "CHAINHUB", "KLING", "Gateway"),
    "models": ("FaceChoice", "LipSyncRequest"),
    "outcomes": ("Accepted", "BatchResult", "NotSent", "Rejected", "Unknown"),
    "dispatch.streaming": ("Progress",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{room}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
