"""The pre-flight on anything at all, on what is valid, and on what is valid but for one fault."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_async.gateways import CHAINHUB, KLING, Gateway
from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.audio import Container
from lipsync_async.request.checks import Facts, billed_units, check, errors_of, warnings_of
from tests.amounts import how_many
from tests.makers import clip

GATEWAYS = st.sampled_from([None, CHAINHUB, KLING])


class Rude:
    """An object that answers no question."""

    def _no(self, *_: object) -> Any:
        raise RuntimeError("do not ask")

    __bool__ = __len__ = __repr__ = __str__ = __iter__ = __int__ = __float__ = __lt__ = __getitem__ = _no
    __eq__ = _no
    __hash__ = object.__hash__


CLIPS = st.builds(
    clip,
    st.none() | st.floats(0, 1e6, allow_nan=False),
    container=st.sampled_from(Container),
    size=st.integers(0, 10_000_000),
)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([1, -1]).map(lambda sign: sign * 10**5000),
    st.builds(Rude),
    st.floats(),
    st.text(),
    st.text(st.characters(codec=None)),
    st.binary(),
    st.just("https://") | st.just("data:") | st.from_regex(r"https?://[!-~ ]*"),
    CLIPS,
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=8,
)
FACTS = st.none() | st.builds(
    Facts,
    video_length=st.none() | st.integers(0, 100_000),
    face_interval=st.none() | st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)),
)


def fields(of: type) -> dict[str, st.SearchStrategy[Any]]:
    """Anything for every field."""
    return {field.name: ANYTHING for field in of.__attrs_attrs__ if field.init}  # type: ignore[attr-defined]


FACES = st.builds(FaceChoice, **fields(FaceChoice))
REQUESTS = st.builds(
    LipSyncRequest, **{**fields(LipSyncRequest), "face_choose": st.lists(FACES | ANYTHING, max_size=3)}
)


@given(REQUESTS, GATEWAYS, FACTS)
def test_never_raises(request: LipSyncRequest, gateway: Gateway | None, facts: Facts | None) -> None:
    """Whatever sits in the fields, the answer is a list of violations that can be printed and sent."""
    found = check(request, gateway, facts)
    assert sorted(map(id, errors_of(found) + warnings_of(found))) == sorted(map(id, found))
    for violation in found:
        assert violation.message
        assert str(violation).encode()


# ---- what is valid ---------------------------------------------------------------------------------------------------

IDS = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1)
URLS = st.sampled_from(["https://example.com/a.mp3", "http://[::1]:80/x?y=z#t", "https://例え.jp/音"])
BASE64 = st.binary(min_size=1).map(lambda data: base64.b64encode(data).decode())
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def valid(draw: st.DrawFn) -> LipSyncRequest:
    """A request that every gateway takes."""
    cut = draw(st.integers(2000, 60_000))
    start = draw(st.integers(0, 60_000 - cut))
    length = draw(st.integers(max(start + cut, 2_000) - 100, 60_100))
    sounds = URLS | BASE64 | st.just(clip(max(length, 1_900) / 1_000, size=5_242_880))
    by_id = draw(st.booleans())
    face = FaceChoice(
        face_id=draw(IDS),
        audio_id=draw(IDS) if by_id else draw(st.sampled_from([None, ""])),
        sound_file=draw(st.sampled_from([None, ""])) if by_id else draw(sounds),
        sound_start_time=start,
        sound_end_time=start + cut,
        sound_insert_time=draw(st.integers(0, 10**9)),
        sound_volume=draw(st.sampled_from([0, 1, 2, 0.0, 1.0, 2.0])),
        original_audio_volume=draw(st.sampled_from([0, 1, 2])),
    )
    return LipSyncRequest(
        session_id=draw(IDS),
        face_choose=[face],
        external_task_id=draw(st.none() | st.from_regex(r"[A-Za-z0-9_-]{0,64}", fullmatch=True)),
        callback_url=draw(st.none() | st.just("") | URLS),
        watermark_info=draw(st.none() | st.fixed_dictionaries({"enabled": st.booleans()})),
        extra_body=draw(st.none() | st.dictionaries(st.text().map("x_".__add__), JSON, max_size=3)),
    )


@given(valid(), GATEWAYS)
def test_what_is_valid_passes(request: LipSyncRequest, gateway: Gateway | None) -> None:
    """No error for a valid request, whatever the gateway, and JSON can hold its extra fields."""
    assert errors_of(check(request, gateway)) == []
    json.dumps(request.extra_body, allow_nan=False)


@given(valid(), FACTS)
def test_facts_add_only_their_own_rules(request: LipSyncRequest, facts: Facts | None) -> None:
    """What is known of the video tells of the insert time alone."""
    added = [v for v in check(request, KLING, facts) if v not in check(request, KLING)]
    assert {v.path for v in added} <= {"face_choose[0].sound_insert_time"}


# ---- one fault -------------------------------------------------------------------------------------------------------

_NO_INTEGER = st.one_of(st.none(), st.booleans(), st.floats().filter(lambda value: not value.is_integer()), st.text())
REQUEST_FAULTS: list[tuple[str, st.SearchStrategy[Any], str]] = [
    ("session_id", st.sampled_from(["", " "]), "empty"),
    ("session_id", st.none() | st.integers(), "not_a_string"),
    ("face_choose", st.just([]), "one_face_only"),
    ("external_task_id", st.from_regex(r"[a-z]{0,9}[^A-Za-z0-9_\-][a-z]{0,9}", fullmatch=True), "id_characters"),
    ("external_task_id", st.integers(65, 300).map("a".__mul__), "id_too_long"),
    ("external_task_id", st.integers(), "not_a_string"),
    ("callback_url", st.sampled_from(["example.com", "ftp://example.com", "http:/x"]), "url_scheme"),
    ("callback_url", st.sampled_from(["https://", "https://:1", "http://[x"]), "url_host"),
    ("callback_url", st.sampled_from(["https://example.com/ a", "https://example.com\n"]), "url_blank"),
    ("watermark_info", st.dictionaries(st.text(), st.integers()) | st.booleans(), "watermark_shape"),
    ("extra_body", st.text() | st.integers(), "not_a_mapping"),
    ("extra_body", st.fixed_dictionaries({"x": st.sampled_from([math.nan, math.inf, {1}, b""])}), "not_json"),
    ("extra_body", st.fixed_dictionaries({"external_task_id": st.just("another-id!")}), "extra_changes_id"),
]
FACE_FAULTS: list[tuple[str, st.SearchStrategy[Any], str]] = [
    ("face_id", st.just(""), "empty"),
    ("face_id", st.none() | st.integers(), "not_a_string"),
    ("sound_start_time", _NO_INTEGER, "not_an_integer"),
    ("sound_start_time", st.integers(max_value=-1), "negative_time"),
    ("sound_end_time", _NO_INTEGER, "not_an_integer"),
    ("sound_end_time", st.integers(0, 1999), "window_too_short"),
    ("sound_end_time", st.integers(120_001, 2**63 - 1), "window_too_long"),
    ("sound_insert_time", _NO_INTEGER, "not_an_integer"),
    ("sound_insert_time", st.integers(max_value=-1), "negative_time"),
    ("sound_insert_time", st.integers(min_value=2**63), "time_too_large"),
    *(
        (name, values, rule)
        for name in ("sound_volume", "original_audio_volume")
        for values, rule in (
            (st.booleans() | st.text() | st.just(math.nan), "not_a_number"),
            (st.floats(max_value=0, exclude_max=True) | st.integers(min_value=3), "volume_out_of_range"),
            (st.floats(0.01, 0.99), "volume_fractional"),
        )
    ),
]
SOUND_FAULTS: list[tuple[st.SearchStrategy[Any], str]] = [
    (st.integers() | st.binary(), "not_a_sound"),
    (BASE64.map("data:audio/wav;base64,".__add__), "data_prefix"),
    (st.sampled_from(["a.mp3", "/a/b.wav", "C:\\a.m4a", "~/x y"]), "local_path"),
    (BASE64.map(lambda text: f"A{text}!"), "not_base64"),
    (st.sampled_from(["ftp://example.com/a", "s3://bucket/a"]), "url_scheme"),
    (st.builds(clip, st.floats(0, 1.899)), "sound_too_short"),
    (st.builds(clip, st.floats(60.101, 1e6)), "sound_too_long"),
    (st.builds(clip, size=st.integers(min_value=5_242_881)), "sound_too_large"),
    (
        st.builds(
            clip,
            container=st.sampled_from([Container.AAC, Container.VIDEO, Container.THREE_GP, Container.OTHER]),
            size=st.just(9),
        ),
        "sound_format",
    ),
]


@pytest.mark.parametrize(("name", "values", "rule"), REQUEST_FAULTS)
@settings(max_examples=how_many(12))
@given(request=valid(), data=st.data())
def test_one_fault_of_a_request(
    request: LipSyncRequest, data: st.DataObject, name: str, values: st.SearchStrategy[Any], rule: str
) -> None:
    """A valid request with one broken field is told that rule, at that path, and nothing else."""
    found = errors_of(check(evolve(request, **{name: data.draw(values)})))
    assert rule in {v.rule for v in found}
    assert {v.path.split(".")[0] for v in found} == {name}


@pytest.mark.parametrize(("name", "values", "rule"), FACE_FAULTS)
@settings(max_examples=how_many(12))
@given(request=valid(), data=st.data())
def test_one_fault_of_a_face(
    request: LipSyncRequest, data: st.DataObject, name: str, values: st.SearchStrategy[Any], rule: str
) -> None:
    """A face with one broken field is told that rule at that path."""
    face = evolve(request.face_choose[0], **{name: data.draw(values)})
    found = errors_of(check(evolve(request, face_choose=[face])))
    assert (f"face_choose[0].{name}", rule) in {(v.path, v.rule) for v in found}


@pytest.mark.parametrize(("values", "rule"), SOUND_FAULTS)
@settings(max_examples=how_many(12))
@given(request=valid(), data=st.data())
def test_one_fault_of_a_sound(
    request: LipSyncRequest, data: st.DataObject, values: st.SearchStrategy[Any], rule: str
) -> None:
    """A sound that can't be taken is told why."""
    face = evolve(request.face_choose[0], audio_id=None, sound_file=data.draw(values))
    found = errors_of(check(evolve(request, face_choose=[face])))
    assert ("face_choose[0].sound_file", rule) in {(v.path, v.rule) for v in found}


@given(valid())
def test_units_cover_the_cut(request: LipSyncRequest) -> None:
    """What is billed covers the cut, and not a step more."""
    face = request.face_choose[0]
    cut, steps = face.sound_end_time - face.sound_start_time, billed_units(request) * 2
    assert (steps - 1) * 5000 < cut <= steps * 5000
