"""A gateway on loopback, written from the wire contract alone: what the library is proved against.

It imports no other room of the library, so the two can only agree through the contract.
Its names are loaded when they are used: the pytest plugin must not pull aiohttp into every project.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipsync_async.sandbox.command import add_arguments, serve
    from lipsync_async.sandbox.ends import KNOWN_ENDS
    from lipsync_async.sandbox.entries import CallbackSent, Entry, FileRequest, Preparation
    from lipsync_async.sandbox.faults import KNOWN_FAULTS, KNOWN_PREPARE_FAULTS
    from lipsync_async.sandbox.file_faults import KNOWN_FILE_FAULTS
    from lipsync_async.sandbox.ledger import Ledger
    from lipsync_async.sandbox.options import Options
    from lipsync_async.sandbox.server import Sandbox
    from lipsync_async.sandbox.sessions import KNOWN_FACES
    from lipsync_async.sandbox.thread import in_thread
    from lipsync_async.sandbox.webhooks import KNOWN_CALLBACK_FAULTS

__all__ = [
    "KNOWN_CALLBACK_FAULTS",
    "KNOWN_ENDS",
    "KNOWN_FACES",
    "KNOWN_FAULTS",
    "KNOWN_FILE_FAULTS",
    "KNOWN_PREPARE_FAULTS",
    "CallbackSent",
    "Entry",
    "FileRequest",
    "Ledger",
    "Options",
    "Preparation",
    "Sandbox",
    "add_arguments",
    "in_thread",
    "serve",
]

_HOMES = {
    "KNOWN_CALLBACK_FAULTS": "webhooks",
    "KNOWN_ENDS": "ends",
    "KNOWN_FACES": "sessions",
    "KNOWN_FAULTS": "faults",
    "KNOWN_FILE_FAULTS": "file_faults",
    "KNOWN_PREPARE_FAULTS": "faults",
    "Entry": "entries",
    "FileRequest": "entries",
    "CallbackSent": "entries",
    "Preparation": "entries",
    "Ledger": "ledger",
    "Options": "options",
    "Sandbox": "server",
    "add_arguments": "command",
    "in_thread": "thread",
    "serve": "command",
}


def __getattr__(name: str) -> Any:
    """Load a public name's module when the name is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
