"""Signed URLs."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox.links import Links


def parts(url: str) -> tuple[str, dict[str, str]]:
    """The file's name and the query."""
    split = urlsplit(url)
    return split.path.removeprefix("/files/"), dict(parse_qsl(split.query))


@given(st.floats(0, 2e9), st.floats(0.1, 1e6))
def test_a_url_is_good_until_it_runs_out(now: float, life: float) -> None:
    """Its own number, as long as it lives."""
    links = Links(life, 0)
    links.sign("1", now)
    name, query = parts(links.sign("2", now))
    assert links.read(name, query, now) == 2
    assert links.read(name, query, now + life - 0.01) == 2
    assert links.read(name, query, now + life + 0.01) is None


def test_each_url_is_another() -> None:
    """Also of one task at one moment."""
    links = Links(60, 0)
    assert links.sign("1", 5.0) != links.sign("1", 5.0)
    assert links.made == 2


@given(st.dictionaries(st.sampled_from(["expires", "signature", "x"]), st.text(max_size=80)))
def test_what_was_not_signed_here_is_none(query: dict[str, str]) -> None:
    """Whatever the query holds."""
    assert Links(60, 0).read("1", query, 0.0) is None


def test_another_seed_is_another_secret() -> None:
    """A URL of one sandbox is none of another's."""
    name, query = parts(Links(60, 0).sign("1", 0.0))
    assert Links(60, 1).read(name, query, 1.0) is None
    assert Links(60, 0).read(name, query, 1.0) == 1
