"""The requests and sounds that the tests submit, made from the example of the seed documents."""

from __future__ import annotations

import io
import random
import wave
from typing import Any

from attrs import evolve, fields_dict

from lipsync_async import AudioBytes, FaceChoice, LipSyncRequest
from lipsync_async.request.audio import AudioInfo, Container

FACE = FaceChoice(
    face_id="-1",
    audio_id="825451760499568680",
    sound_start_time=0,
    sound_end_time=5000,
    sound_insert_time=1000,
    sound_volume=1,
    original_audio_volume=1,
)
REQUEST = LipSyncRequest(session_id="825465778199224380", face_choose=(FACE,))


def request(external_task_id: str | None = "job-1", **changes: Any) -> LipSyncRequest:
    """The example with some fields changed, those of its face as well.

    A `sound_file` takes the place of the `audio_id`.
    """
    of_face = {name: changes.pop(name) for name in fields_dict(FaceChoice) if name in changes}
    if "sound_file" in of_face:
        of_face.setdefault("audio_id", None)
    faces = changes.pop("face_choose", (evolve(FACE, **of_face),))
    return evolve(REQUEST, external_task_id=external_task_id, face_choose=faces, **changes)


def requests(count: int) -> list[LipSyncRequest]:
    """As many requests, with the ids `job-0`, `job-1` and so on."""
    return [evolve(REQUEST, external_task_id=f"job-{number}") for number in range(count)]


def clip(
    duration: float | None = 5.0, *, container: Container = Container.WAV, size: int = 80_044, note: str = ""
) -> AudioBytes:
    """An empty sound whose `info` says what the arguments say; `duration` is in seconds."""
    sound = AudioBytes(b"")
    object.__setattr__(sound, "info", AudioInfo(container, duration, size, note))
    return sound


def wav(seconds: float = 3.0, rate: int = 8000) -> bytes:
    """A WAV file of 16-bit noise, so that no two parts of it are alike; `rate` is in samples a second."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(random.Random(seconds).randbytes(2 * round(seconds * rate)))
    return out.getvalue()
