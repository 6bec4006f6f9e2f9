"""Requests are frozen values whose repr shows no sound and no extra fields."""

from __future__ import annotations

import pickle

import pytest
from attrs import exceptions

from lipsync_async import AudioBytes, FaceChoice, LipSyncRequest
from tests.makers import request, wav


def shown(sound: object) -> str:
    """The repr of a request with that sound."""
    return repr(request(sound_file=sound))


def test_no_base64_is_shown() -> None:
    """A long text that is no URL is told by its length; bytes by what they hold."""
    assert "QUJD" * 20 not in shown("QUJD" * 20)
    assert "<text of 80 characters>" in shown("QUJD" * 20)
    assert "bytes, " in shown(AudioBytes(wav()))


@pytest.mark.parametrize("sound", ["https://cdn.example/" + "a" * 80 + ".mp3", "short", None])
def test_what_is_no_base64_is_shown_as_it_is(sound: str | None) -> None:
    """A URL is worth reading, and so is a short text."""
    assert repr(sound) in shown(sound)


def test_extra_fields_are_shown_by_name() -> None:
    """Their values may be anything."""
    plain = request()
    with_extra = LipSyncRequest(session_id="s", face_choose=plain.face_choose, extra_body={"model": "hush", "x": 1})
    assert "extra_body=None" in repr(plain)
    assert "extra_body=<model, x>" in repr(with_extra)
    assert "hush" not in repr(with_extra)


def test_faces_are_kept_as_a_tuple() -> None:
    """From any iterable; and the whole is frozen, equal by value and picklable."""
    face = request().face_choose[0]
    made = LipSyncRequest(session_id="s", face_choose=iter([face]))
    assert made.face_choose == (face,)
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(exceptions.FrozenInstanceError):
        made.session_id = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        FaceChoice("-1")  # type: ignore[call-arg]
