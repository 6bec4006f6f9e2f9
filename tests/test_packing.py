"""A request that an engine carries comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve

from lipsync_async import AudioFile, ConfigurationError, LipSyncRequest
from lipsync_async.engines.packing import pack, unpack
from lipsync_async.models import FaceChoice, SpeechSource, VideoSource
from tests.makers import request, wav

REQUESTS = [
    request("job-1"),
    evolve(request(None), watermark_info={"enabled": True}, extra_body={"a": [1, {"b": None}]}),
    LipSyncRequest(
        session_id="",
        face_choose=(
            FaceChoice(
                face_id="",
                sound_start_time=0,
                sound_end_time=2000,
                sound_insert_time=0,
                sound_volume=1,
                original_audio_volume=0,
            ),
        ),
        source=VideoSource(url="https://host.example/a.mp4", face="longest"),
        speech=SpeechSource(text="hello", voice_id="v"),
    ),
]


@pytest.mark.parametrize("one", REQUESTS)
def test_it_comes_back_as_it_was(one: LipSyncRequest) -> None:
    """Through JSON, as engines carry it."""
    assert unpack(json.loads(json.dumps(pack(one)))) == one


def test_a_file_of_this_machine_is_not_carried(tmp_path: Path) -> None:
    """Another machine would look for it in vain."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    with pytest.raises(ConfigurationError, match="a sound in a file of this machine"):
        pack(request(None, sound_file=AudioFile(path), sound_end_time=2500))
