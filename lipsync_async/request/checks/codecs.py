"""What a sound's container holds, where that is not what a gateway expects in it."""

from __future__ import annotations

from collections.abc import Iterator

from lipsync_async.errors import Violation
from lipsync_async.request.audio import AudioInfo


def codec_warnings(path: str, info: AudioInfo) -> Iterator[Violation]:
    """An M4A is taken by its container, but a gateway may not read any codec in it."""
    if info.codec:
        text = f"holds {info.codec} in an M4A, where AAC is usual: the gateway may refuse it"
        yield Violation(path, "sound_codec", text, "warning")
