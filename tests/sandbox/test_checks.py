"""The sandbox's own checks of a create, from both sides of each edge."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.checks import SOUND_LIMIT, Refused, Rules, decode, read_create, units_of

from .helpers import adts, b64, face, iso, job, mp3, raw, wav

RULES = Rules()


def passes(request: Any, rules: Rules = RULES) -> bool:
    """Whether a create passes."""
    try:
        read_create(raw(request), rules)
    except Refused:
        return False
    return True


def refusal(request: Any, rules: Rules = RULES) -> tuple[int, str]:
    """Code and message of the refusal."""
    with pytest.raises(Refused) as caught:
        read_create(raw(request), rules)
    return caught.value.code, caught.value.said


def test_a_create_that_passes() -> None:
    """What is kept of a good create is its id, its window, its price and the hash of its body."""
    body = raw(job("batch7-000042", watermark_info={"enabled": True}))
    create = read_create(body, RULES)
    assert create.external_task_id == "batch7-000042"
    assert (create.window_ms, create.units, create.watermark) == (5000, 0.5, True)
    assert create.body_sha256 == hashlib.sha256(body).hexdigest()
    assert create.audio_sha256 is None


def test_the_seeds_example_passes() -> None:
    """The seeds' own example, an audio_id beside empty strings, is a good create without an id."""
    fields = {"face_id": "-1", "sound_file": ""}
    create = read_create(raw(job("", face_fields=fields, callback_url="")), RULES)
    assert create.external_task_id == ""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a": NaN}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{} {"second": 1}',
        b'{"a":' * 200_000,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json_object_is_1200(body: bytes) -> None:
    """A body that a Go gateway can't read is refused whole."""
    with pytest.raises(Refused) as caught:
        read_create(body, RULES)
    assert caught.value.code == 1200


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"session_id": None}, "session_id"),
        ({"session_id": ""}, "session_id"),
        ({"session_id": 5}, "session_id"),
        ({"face_choose": None}, "face_choose"),
        ({"face_choose": {}}, "face_choose"),
        ({"face_choose": []}, "face_choose"),
        ({"face_choose": [face(), face()]}, "face_choose"),
        ({"face_choose": ["0"]}, "face_choose[0]"),
        ({"external_task_id": 7}, "external_task_id"),
        ({"external_task_id": "a" * 65}, "external_task_id"),
        ({"external_task_id": "a b"}, "external_task_id"),
        ({"external_task_id": "a\n"}, "external_task_id"),
        ({"external_task_id": "é"}, "external_task_id"),
        ({"callback_url": "ftp://host/x"}, "callback_url"),
        ({"callback_url": "http://"}, "callback_url"),
        ({"callback_url": "http://[::1"}, "callback_url"),
        ({"callback_url": "https://a b"}, "callback_url"),
        ({"callback_url": 1}, "callback_url"),
        ({"watermark_info": True}, "watermark_info"),
        ({"watermark_info": {"enabled": 1}}, "watermark_info.enabled"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], named: str) -> None:
    """A bad field is a 1201 whose message begins with its path."""
    code, said = refusal({**job(), **fields})
    assert code == 1201
    assert said.startswith(named + " ")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"face_id": ""}, "face_id"),
        ({"face_id": 0}, "face_id"),
        ({"audio_id": None}, "audio_id or sound_file"),
        ({"audio_id": ""}, "audio_id or sound_file"),
        ({"sound_file": "https://a.test/a.mp3"}, "audio_id or sound_file"),
        ({"audio_id": 8254}, "audio_id"),
        ({"audio_id": "", "sound_file": "https://"}, "sound_file"),
        ({"audio_id": "", "sound_file": "no base64!"}, "sound_file"),
        ({"audio_id": "", "sound_file": "ünïcödë="}, "sound_file"),
        ({"audio_id": "", "sound_file": "QUJD="}, "sound_file"),
        ({"audio_id": "", "sound_file": "QUI"}, "sound_file"),
        ({"audio_id": "", "sound_file": "QUJD\nQUJD"}, "sound_file"),
        ({"audio_id": "", "sound_file": "data:audio/wav;base64," + b64(wav(5))}, "sound_file"),
        ({"audio_id": "", "sound_file": b64(b"OggS" + bytes(99))}, "sound_file"),
        ({"audio_id": "", "sound_file": b64(adts())}, "sound_file"),
        ({"audio_id": "", "sound_file": b64(iso(b"soun", b"vide"))}, "sound_file"),
        ({"audio_id": "", "sound_file": b64(wav(1.9))}, "sound_file"),
        ({"audio_id": "", "sound_file": b64(wav(60.1))}, "sound_file"),
        ({"audio_id": "", "sound_file": b64(wav(4.99))}, "sound_end_time"),
        ({"sound_start_time": -1}, "sound_start_time"),
        ({"sound_insert_time": -1}, "sound_insert_time"),
        ({"sound_end_time": 1999}, "sound_end_time"),
        ({"sound_end_time": 60001}, "sound_end_time"),
        ({"sound_volume": -1}, "sound_volume"),
        ({"sound_volume": 3}, "sound_volume"),
        ({"original_audio_volume": 0.5}, "original_audio_volume"),
    ],
)
def test_a_bad_field_of_the_face_is_named(fields: dict[str, Any], named: str) -> None:
    """A bad field of the face is a 1201 whose message begins with its path."""
    code, said = refusal(job(face_fields=fields))
    assert code == 1201
    assert said.startswith(f"face_choose[0].{named} ")


NUMBERS = ["sound_start_time", "sound_end_time", "sound_insert_time", "sound_volume", "original_audio_volume"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["1", 1.0, True, [1], {}, 2**63, None])
def test_numbers_are_integers_as_in_go(name: str, value: Any) -> None:
    """A text, a `1.0`, a boolean, or a number beyond 64 bits is no integer, and none may be missing."""
    code, said = refusal(job(face_fields={name: value}))
    assert (code, f"face_choose[0].{name} " in said) == (1201, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"sound_end_time": 2000},
        {"sound_end_time": 60000},
        {"sound_start_time": 10, "sound_end_time": 60010},
        {"sound_insert_time": 0},
        {"sound_volume": 0, "original_audio_volume": 2},
        {"audio_id": "", "sound_file": "https://a.test/a.mp3"},
        {"audio_id": "", "sound_file": "HTTP://a.test/a.mp3"},
        {"audio_id": "", "sound_file": b64(wav(5))},
        {"audio_id": "", "sound_file": b64(wav(2)), "sound_end_time": 2000},
        {"audio_id": "", "sound_file": b64(wav(60))},
        {"audio_id": "", "sound_file": b64(mp3(200))},
        {"audio_id": "", "sound_file": b64(iso(b"soun"))},
    ],
)
def test_the_good_side_of_each_edge_passes(fields: dict[str, Any]) -> None:
    """What just fits is taken."""
    assert passes(job(face_fields=fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"callback_url": "https://a.test/hook?x=1"},
        {"watermark_info": {}},
        {"watermark_info": {"enabled": False}},
        {"external_task_id": "Az09_-" + "x" * 58},
        {"model": "unknown fields are ignored"},
    ],
)
def test_good_optional_fields_pass(fields: dict[str, Any]) -> None:
    """Optional fields at their edges are taken, and so are fields nobody knows."""
    assert passes({**job(), **fields})


def test_profiles_take_more() -> None:
    """Fractions and missing volumes pass with one flag, bare AAC with the other; the range stays."""
    kling = Rules(accept_aac=True, fractional_volumes=True)
    assert passes(job(face_fields={"sound_volume": 0.5, "original_audio_volume": None}), kling)
    assert passes(job(face_fields={"audio_id": "", "sound_file": b64(adts(300))}), kling)
    assert not passes(job(face_fields={"sound_volume": 2.01}), kling)
    assert not passes(job(face_fields={"sound_volume": "1"}), kling)


def test_the_size_is_that_of_the_file() -> None:
    """Exactly 5 MiB of content are decoded, one byte more is refused; Base64 itself may be larger."""
    assert len(decode(b64(bytes(SOUND_LIMIT)))) == SOUND_LIMIT
    with pytest.raises(Refused, match="larger than 5 MB"):
        decode(b64(bytes(SOUND_LIMIT + 1)))


def test_the_sound_is_hashed_decoded() -> None:
    """The ledger's hash of a sound is that of its bytes, not of their Base64."""
    create = read_create(raw(job(face_fields={"audio_id": "", "sound_file": b64(wav(5))})), RULES)
    assert create.audio_sha256 == hashlib.sha256(wav(5)).hexdigest()


@pytest.mark.parametrize(
    ("window_ms", "units"), [(2000, 0.5), (5000, 0.5), (5001, 1.0), (10_000, 1.0), (10_001, 1.5), (60_000, 6.0)]
)
def test_every_started_five_seconds_cost_half_a_unit(window_ms: int, units: float) -> None:
    """The price goes up with each started step of 5 s."""
    assert units_of(window_ms) == units


@given(st.integers(-10, 70_000), st.integers(-10, 70_000), st.integers(-10, 10))
def test_the_timing_rules(start: int, end: int, insert: int) -> None:
    """A window passes when it starts at 0 or later, lasts 2 to 60 s and is inserted at 0 or later."""
    fields = {"sound_start_time": start, "sound_end_time": end, "sound_insert_time": insert}
    good = start >= 0 and 2000 <= end - start <= 60_000 and insert >= 0
    assert passes(job(face_fields=fields)) is good


@given(st.binary(max_size=200))
def test_base64_is_decoded_as_it_was_encoded(data: bytes) -> None:
    """Every content comes out as it went in."""
    assert decode(b64(data)) == data


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_base64_is_strict(given_text: str) -> None:
    """What is taken as Base64 is the one way to write its content."""
    try:
        data = decode(given_text)
    except Refused:
        return
    assert base64.b64encode(data).decode() == given_text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = st.sampled_from([*job(callback_url="", watermark_info={}), *face(sound_file=""), "face_choose[0]"])


@given(PLACES, VALUES, st.booleans())
def test_any_value_anywhere_is_judged(place: str, value: Any, lenient: bool) -> None:
    """Whatever stands in a field, a create passes or is refused with 1200 or 1201; nothing else ever happens."""
    request = job()
    if place == "face_choose[0]":
        request["face_choose"] = [value]
    elif place in face(sound_file=""):
        request["face_choose"][0][place] = value
    else:
        request[place] = value
    try:
        code = read_create(raw(request), Rules(accept_aac=lenient, fractional_volumes=lenient)).window_ms
    except Refused as caught:
        code = caught.code
    assert code in (1200, 1201) or 2000 <= code <= 60_000


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_judged(body: bytes) -> None:
    """Any bytes are a create or a refusal."""
    with pytest.raises(Refused):
        read_create(body, RULES)
