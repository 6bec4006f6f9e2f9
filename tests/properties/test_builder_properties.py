"""The builder under any sequence of steps."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.errors import InvalidRequestError
from lipsync_async.gateways import CHAINHUB, KLING, Gateway
from lipsync_async.request.builder import RequestBuilder
from lipsync_async.request.checks import check, errors_of
from tests.makers import wav

VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10).map(lambda ten: ten**5000),
    st.floats(),
    st.text(max_size=20),
    st.text(st.characters(codec=None), max_size=5),
    st.binary(max_size=50),
    st.sampled_from(["https://example.com/a.mp3", "/no/such/file", "1"]),
)
ONE_VALUE = [
    "session",
    "face",
    "audio_id",
    "audio_url",
    "audio_file",
    "audio_bytes",
    "external_task_id",
    "callback",
    "watermark",
]
Step = tuple[str, tuple[Any, ...], dict[str, Any]]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.sampled_from(ONE_VALUE), st.tuples(VALUES), st.just({})),
    st.tuples(st.just("window"), st.tuples(VALUES, VALUES, VALUES), st.just({})),
    st.tuples(st.just("volume"), st.tuples(VALUES, VALUES), st.just({})),
    st.tuples(st.just("extra"), st.just(()), st.dictionaries(st.sampled_from(["model", "session_id", "x"]), VALUES)),
)


def take(builder: RequestBuilder, step: Step) -> RequestBuilder:
    """The builder one step on."""
    name, positional, named = step
    made: RequestBuilder = getattr(builder, name)(*positional, **named)
    return made


@given(st.lists(STEPS, max_size=8))
def test_build_tells_all_or_nothing(steps: list[Step]) -> None:
    """No step raises; `build` returns what `check` has no error for, and else carries every one of them."""
    builder = RequestBuilder()
    for step in steps:
        builder = take(builder, step)
    errors = errors_of(builder.check())
    if errors:
        with pytest.raises(InvalidRequestError) as caught:
            builder.build()
        assert list(caught.value.violations) == errors
    else:
        assert errors_of(check(builder.build(), KLING)) == []
    assert repr(builder).startswith("<RequestBuilder")


@given(st.lists(STEPS, max_size=4), STEPS)
def test_a_step_leaves_its_parent_alone(steps: list[Step], last: Step) -> None:
    """What a parent would build is the same before and after a child was made."""
    builder = RequestBuilder().extra(x=1)
    for step in steps:
        builder = take(builder, step)
    before = builder.check()
    take(builder, last)
    assert builder.check() == before


@given(st.permutations(["session", "face", "sound", "window", "volume", "id"]))
def test_the_order_of_the_steps_is_free(order: list[str]) -> None:
    """Steps that speak of different things can be taken in any order."""
    steps: dict[str, Step] = {
        "session": ("session", ("s",), {}),
        "face": ("face", ("-1",), {}),
        "sound": ("audio_url", ("https://example.com/a.mp3",), {}),
        "window": ("window", (0, 3000, 5), {}),
        "volume": ("volume", (1, 2), {}),
        "id": ("external_task_id", ("job",), {}),
    }
    builder = straight = RequestBuilder()
    for name in order:
        builder = take(builder, steps[name])
    for step in steps.values():
        straight = take(straight, step)
    assert builder.build() == straight.build()


@given(st.integers(2 * 8000, 60 * 8000), st.integers(0, 58_000))
def test_an_end_that_is_left_out_is_a_right_one(samples: int, start: int) -> None:
    """With 2 s or more left of the sound, the end that the builder finds breaks no rule, and wastes less than 1 ms."""
    seconds = samples / 8000
    builder = RequestBuilder().session("s").face("-1").audio_bytes(wav(samples / 8_000)).window(start)
    if seconds * 1000 - start < 2000:
        return
    face = builder.build().face_choose[0]
    assert face.sound_end_time == math.floor(samples / 8)


@given(
    st.sampled_from([0, 0.5, 1, 1.0, 2]),
    st.sampled_from(["a", "a" * 40, "a" * 64]),
    st.sampled_from([CHAINHUB, KLING, evolve(CHAINHUB, max_id_length=40), evolve(KLING, max_id_length=64)]),
    st.sampled_from([{}, {"model": "kling-v1"}]),
)
def test_what_the_builder_found_clean_is_clean(
    volume: float, name: str, gateway: Gateway, extra: dict[str, str]
) -> None:
    """A request that is spared a second look is told the same as one that is not."""
    steps = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000).volume(volume, 1)
    request = steps.external_task_id(name).extra(**extra).build()
    assert check(request, gateway) == check(evolve(request), gateway)
    assert request.checked == (volume in {1, 2} and not extra)
