"""Requests to the create call's bytes, and to their canonical form."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from lipsync_async.request.audio import AudioFile
from lipsync_async.wire import canonical, encode
from lipsync_async.wire.bodies import encode_and_tell
from tests.wire.helpers import (
    CLIP,
    SCHEMAS,
    face,
    request,
    sent,
    whole,
)


def test_plain_request_is_the_seeds_own_example() -> None:
    """A request with an audio id is what the seeds show, without what they leave empty."""
    assert sent(request(callback_url="https://example.test/hook")) == {
        "session_id": "825465778199224380",
        "face_choose": [
            {
                "face_id": "-1",
                "audio_id": "825451760499568680",
                "sound_start_time": 0,
                "sound_end_time": 5000,
                "sound_insert_time": 1000,
                "sound_volume": 1,
                "original_audio_volume": 1,
            }
        ],
        "callback_url": "https://example.test/hook",
        "external_task_id": "job-1",
    }


def test_plain_request_is_all_head() -> None:
    """Without a sound to stream the head is the whole body."""
    body = encode(request(), "job-1")
    assert body.sound is None
    assert body.tail == b""
    assert body.length == len(body.head)


@pytest.mark.parametrize("name", list(SCHEMAS))
@pytest.mark.parametrize(
    "sound",
    [
        {},
        {"audio_id": None, "sound_file": CLIP},
        {"audio_id": None, "sound_file": "https://example.test/a.mp3"},
        {"sound_volume": 2.0, "original_audio_volume": 0.0, "sound_start_time": 0.0},
    ],
)
def test_what_leaves_is_valid_against_both_seeds(name: str, sound: dict[str, Any]) -> None:
    """Every form of a request keeps to the OpenAPI documents of both gateways."""
    schema = SCHEMAS[name]["requestBody"]["content"]["application/json"]["schema"]
    Draft4Validator(schema).validate(sent(request(face(**sound), callback_url="https://example.test/")))


@pytest.mark.parametrize(("given", "wire"), [(1.0, "1"), (0.0, "0"), (2, "2"), (0.5, "0.5")])
def test_whole_volumes_are_integers(given: float, wire: str) -> None:
    """A gateway written in Go refuses 1.0 for an integer."""
    assert f'"sound_volume":{wire},'.encode() in encode(request(face(sound_volume=given)), "x").head


def test_empty_means_not_given() -> None:
    """An empty text never goes over the wire in place of a field that was not given."""
    empty = request(face(audio_id="", sound_file=""), callback_url="")
    assert b'""' not in encode(empty, "").head
    assert "external_task_id" not in sent(empty, "")


@pytest.mark.parametrize("source", ["bytes", "file"])
def test_sound_stands_between_head_and_tail(source: str, tmp_path: Path) -> None:
    """The Base64 text begins right after the head's last quote and ends right before the tail's first."""
    path = tmp_path / "a.mp3"
    path.write_bytes(CLIP.data)
    clip = CLIP if source == "bytes" else AudioFile(path)
    body = encode(request(face(audio_id=None, sound_file=clip)), "job-1")
    assert body.sound is clip
    assert body.head.endswith(b'"sound_file":"')
    assert body.tail.startswith(b'",')
    assert json.loads(whole(body))["face_choose"][0]["sound_file"] == b64encode(CLIP.data).decode()
    assert body.length == len(whole(body))


def test_only_one_sound_can_be_streamed() -> None:
    """Two files in one request are refused: the platform takes one person."""
    two = face(audio_id=None, sound_file=CLIP)
    with pytest.raises(ValueError, match="too many values"):
        encode(request(face_choose=(two, two)), "job-1")


def test_the_seam_cannot_be_forged() -> None:
    """No text that a user writes is taken for the place of the sound."""
    odd = "\u00ff\\u00ff\x00"
    read = sent(request(face(audio_id=None, sound_file=CLIP), session_id=odd, extra_body={odd: odd}))
    assert read["session_id"] == odd
    assert read[odd] == odd


def test_extra_body_is_merged_last_but_never_over_the_id() -> None:
    """A gateway's extra fields override ours, except for the key of everything."""
    extra = {"model": "kling-v1-6", "session_id": "other", "external_task_id": "forged"}
    read = sent(request(extra_body=extra, watermark_info={"enabled": False}))
    assert read["model"] == "kling-v1-6"
    assert read["session_id"] == "other"
    assert read["external_task_id"] == "job-1"
    assert read["watermark_info"] == {"enabled": False}


def test_a_replaced_face_choose_streams_nothing() -> None:
    """Where `extra_body` replaces the faces, their sound is not sent."""
    body = encode(request(face(audio_id=None, sound_file=CLIP), extra_body={"face_choose": []}), "job-1")
    assert body.sound is None


@pytest.mark.parametrize(("value", "error"), [(object(), TypeError), ("\ud800", UnicodeEncodeError)])
def test_what_json_cannot_say_is_an_error(value: object, error: type[Exception]) -> None:
    """A value that no JSON text can hold is refused before a byte leaves."""
    with pytest.raises(error):
        encode(request(extra_body={"x": value}), "job-1")


def test_canonical_is_sorted_and_compact() -> None:
    """The canonical form leaves no freedom to a serializer, and the id out."""
    it = request(external_task_id="mine", extra_body={"b": "é", "a": {"z": 1, "y": 0.5}, "external_task_id": "x"})
    assert canonical(it).decode() == (
        '{"a":{"y":0.5,"z":1},"b":"é","face_choose":[{"audio_id":"825451760499568680","face_id":"-1",'
        '"original_audio_volume":1,"sound_end_time":5000,"sound_insert_time":1000,"sound_start_time":0,'
        '"sound_volume":1}],"session_id":"825465778199224380"}'
    )


def test_canonical_begins_with_the_prefix() -> None:
    """The same content under another prefix is another job."""
    assert canonical(request(), prefix="a-") == b"a-" + canonical(request())


def test_one_clip_has_one_canonical_form(tmp_path: Path) -> None:
    """File, bytes, Base64 text and a digest that is known already say the same."""
    path = tmp_path / "a.mp3"
    path.write_bytes(CLIP.data)
    forms = (CLIP, AudioFile(path), b64encode(CLIP.data).decode())
    told = {canonical(request(face(audio_id=None, sound_file=form))) for form in forms}
    told.add(canonical(request(face(audio_id=None, sound_file=CLIP)), CLIP.digest()))
    assert len(told) == 1
    assert f'"sound_file":"sha256:{CLIP.digest()}"'.encode() in told.pop()


@pytest.mark.parametrize("text", ["https://example.test/a.mp3", "no Base64!", "abc", "日本"])
def test_other_texts_stand_for_themselves(text: str) -> None:
    """A URL, or what is no Base64, is told as it is."""
    assert f'"sound_file":"{text}"'.encode() in canonical(request(face(audio_id=None, sound_file=text)))


NUMBERS = st.one_of(st.integers(-9, 9), st.sampled_from([0.0, 1.0, 0.5, 2e17, True, float("nan")]))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
SOUNDS = st.one_of(
    st.none(),
    st.sampled_from(["", "https://example.test/a.mp3", "data:audio/mpeg;base64,AAAA", "QUJD", "no Base64!", CLIP]),
    TEXTS,
)


@given(
    sounds=st.lists(SOUNDS, max_size=2),
    numbers=st.lists(NUMBERS, min_size=5, max_size=5),
    texts=st.lists(st.one_of(st.none(), TEXTS), min_size=4, max_size=4),
    extra=st.sampled_from([None, {}, {"external_task_id": "other", "watermark_info": None}]),
)
def test_both_forms_at_once_are_both_forms(
    sounds: list[Any], numbers: list[float], texts: list[str | None], extra: dict[str, Any] | None
) -> None:
    """Whatever the request: the same bytes as one after the other, or no answer."""
    session, face_id, callback, name = texts
    start, end, insert, volume, original = numbers
    changes = {
        "sound_start_time": start,
        "sound_end_time": end,
        "sound_insert_time": insert,
        "sound_volume": volume,
        "original_audio_volume": original,
    }
    faces = [face(face_id=face_id or "", audio_id=None, sound_file=sound, **changes) for sound in sounds]
    asked = request(face_choose=tuple(faces), session_id=session or "", callback_url=callback, extra_body=extra)
    both = encode_and_tell(asked, name or "")
    links = all(not sound or (isinstance(sound, str) and ":" in sound) for sound in sounds)
    assert (both is not None) == (links and not extra)
    if both is not None:
        assert both == (encode(asked, name or ""), canonical(asked))
