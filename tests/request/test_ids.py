"""Ids out of any text: valid, short enough, the same every time, and never one for two texts."""

from __future__ import annotations

import re
from unicodedata import normalize

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lipsync_async import RequestBuilder, external_id_of
from lipsync_async.errors import ConfigurationError

texts = st.text(min_size=1) | st.from_regex(r"[A-Za-z0-9_-]{1,70}", fullmatch=True)


def test_ids_of_some_texts_never_change() -> None:
    """They are in journals: another id is another job, and paid again."""
    assert external_id_of("ep1-scene_4") == "ep1-scene_4"
    assert external_id_of("Szene 3, Ärger.wav") == "Szene-3-Arger-wav-762d634239c432bb"
    assert external_id_of("第三场") == "id-abb85bedac10b5d3"
    assert external_id_of("ep1", prefix="v2-") == "v2-ep1"


@given(texts, st.sampled_from(["", "p-", "a" * 20]), st.integers(44, 64))
def test_every_text_has_a_valid_id(text: str, prefix: str, longest: int) -> None:
    """Of the characters that a gateway takes, no longer than it takes, behind the prefix."""
    made = external_id_of(text, prefix=prefix, max_length=longest)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", made)
    assert len(made) <= longest
    assert made.startswith(prefix)
    assert made == external_id_of(text, prefix=prefix, max_length=longest)
    wanted = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000).external_task_id(made)
    assert wanted.build().external_task_id == made


@given(texts, texts)
@example("a b", "a  b")
@example("a" * 64, "a" * 65)
@example("a-" + "0" * 16, "a")
def test_two_texts_have_two_ids(one: str, other: str) -> None:
    """Unless they are one text to a reader."""
    assume(normalize("NFC", one) != normalize("NFC", other))
    assert external_id_of(one) != external_id_of(other)


@given(texts)
def test_an_id_that_was_made_is_no_id_of_its_own(text: str) -> None:
    """So nobody hits the id of another text by writing it down."""
    made = external_id_of(text)
    assert made == text or external_id_of(made) != made


def test_both_sides_of_the_length() -> None:
    """64 characters stay, 65 are cut and marked."""
    assert external_id_of("a" * 64) == "a" * 64
    assert external_id_of("a" * 65) == "a" * 47 + external_id_of("a" * 65)[47:]
    assert len(external_id_of("a" * 65)) == 64
    assert len(external_id_of("x y", max_length=24)) <= 24
    with pytest.raises(ConfigurationError, match="no room"):
        external_id_of("x y", max_length=23)


def test_unicode_is_one_text_however_it_is_composed() -> None:
    """A file has one id on every system."""
    assert external_id_of("Ärger") == external_id_of("A\u0308rger")


@pytest.mark.parametrize(("text", "prefix"), [("", ""), (None, ""), (7, ""), ("a", "ä"), ("a", "b" * 41)])
def test_what_makes_no_id_is_an_error(text: str, prefix: str) -> None:
    """That says why."""
    with pytest.raises(ConfigurationError):
        external_id_of(text, prefix=prefix)
