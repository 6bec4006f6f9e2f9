"""What a request costs."""

from __future__ import annotations

import pytest

from lipsync_async import SpeechSource
from lipsync_async.request.checks import billed_units, estimated_units
from tests.makers import request


@pytest.mark.parametrize(("cut", "units"), [(2000, 0.5), (5000, 0.5), (5001, 1.0), (10_000, 1.0), (60_000, 6.0)])
def test_billed_units(cut: int, units: float) -> None:
    """Half a unit per started 5 s of the cut, wherever it begins."""
    assert billed_units(request(sound_start_time=700, sound_end_time=700 + cut)) == units


def test_billed_units_have_a_least_step() -> None:
    """Nothing is billed at less than one step."""
    assert billed_units(request(face_choose=[])) == 0.5


@pytest.mark.parametrize(
    ("letters", "language", "speed", "units"),
    [(75, "en", 1.0, 0.5), (76, "en", 1.0, 1.0), (76, "en", 2.0, 0.5), (23, "zh", 1.0, 1.0), (1000, "zh", 1.0, 6.0)],
)
def test_a_text_is_estimated_by_its_letters(letters: int, language: str, speed: float, units: float) -> None:
    """Fifteen a second in English, four and a half in Chinese; a minute at most."""
    speech = SpeechSource(text="a" * letters, voice_id="v", language=language, speed=speed, to_end=True)
    assert estimated_units(request(audio_id=None, speech=speech)) == units


def test_what_is_known_is_not_guessed() -> None:
    """A cut with an end of its own, and a text that is spoken already."""
    speech = SpeechSource(text="a" * 1000, voice_id="v")
    assert estimated_units(request(audio_id=None, speech=speech, sound_end_time=5000)) == 0.5
    ended = SpeechSource(text="a" * 1000, voice_id="v", to_end=True)
    assert estimated_units(request(audio_id="99", speech=ended, sound_end_time=5000)) == 0.5
