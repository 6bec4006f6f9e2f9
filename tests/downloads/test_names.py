"""What a video's file is called."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.downloads.names import (
    LONGEST,
    ROOM,
    Names,
    folded,
    hashed_name,
    left_over_of,
    mark_of,
    plain_name,
    temporary_name,
)

IDS = st.text(st.characters(), max_size=300)
NEAR = st.text(st.sampled_from('aAäÄßsSſıiIﬁK\u212a\u0301 ._-/:"conCON1'), max_size=8)
"""Ids that fold into each other, or are devices."""


@pytest.mark.parametrize("external_task_id", ["job-1", "Job_1", "a.b", "片段", "con1", "comet", "a" * ROOM, "é" * 50])
def test_an_ordinary_id_is_the_name(external_task_id: str) -> None:
    """With `.mp4` behind it, and nothing else."""
    assert Names().of(external_task_id) == f"{external_task_id}.mp4"


@pytest.mark.parametrize(
    "external_task_id",
    [
        *(
            "",
            ".",
            "..",
            "a/b",
            "a\\b",
            "../../etc/passwd",
            "C:",
            "a:b",
            "CON",
            "con",
            "nul",
            "COM1",
            "lpt9.x",
            "aux .y",
        ),
        *(
            "aux .y",
            "COM²",
            "a ",
            " a",
            "a.",
            "a\n",
            "a\x1b[2J",
            ".hidden",
            "-rf",
            "\u202egpj",
            "\ud800",
            "a" * (ROOM + 1),
        ),
        *("é" * (ROOM // 2 + 1), 'a"', "a?", "~x"),
    ],
)
def test_an_id_that_cannot_stand_carries_a_hash(external_task_id: str) -> None:
    """The same one in every run, and it is a name of a file in that folder."""
    assert plain_name(external_task_id) is None
    name = Names().of(external_task_id)
    assert name == Names(["other"]).of(external_task_id) == hashed_name(external_task_id)
    assert name.removesuffix(".mp4")[-9] == "-"
    assert "/" not in name


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("job", "JOB"),
        ("é", "e\u0301"),
        ("K", "\u212a"),
        ("straße", "STRASSE"),
        ("ﬁ", "FI"),
        ("ſ", "S"),
        ("µ", "\u03bc"),
    ],
)
def test_names_that_fold_are_two(first: str, second: str) -> None:
    """The first keeps its own, the second carries a hash; asked again, each has the same."""
    names = Names([first, second])
    assert names.of(first) == f"{first}.mp4"
    assert names.of(second) == hashed_name(second)
    assert names.of(first) == f"{first}.mp4"


def test_an_id_that_looks_like_another_ones_hash() -> None:
    """The longer hash is taken."""
    stolen = hashed_name("JOB").removesuffix(".mp4")
    names = Names(["job", stolen])
    assert names.of("JOB") == hashed_name("JOB", 16)


@given(st.lists(st.one_of(IDS, NEAR), unique=True, max_size=30))
def test_no_two_ids_share_a_file(ids: list[str]) -> None:
    """On no file system, in any order; and every name can be had."""
    names = Names(ids)
    found = [names.of(it) for it in ids]
    for fold in (folded, str.upper, str.lower, str.casefold, lambda it: normalize("NFC", it.casefold())):
        assert len(set(map(fold, found))) == len(ids)
    for name in found:
        assert name.endswith(".mp4")
        assert not set(name) & set('<>:"/\\|?*\0\n')
        assert name == name.strip()
        assert len(temporary_name(name, mark_of("j"), "0" * 8).encode()) <= LONGEST
        assert name.split(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}


@given(IDS, IDS)
def test_a_temporary_name_tells_its_owner(external_task_id: str, owner: str) -> None:
    """And a video's own name never looks like one."""
    name = Names().of(external_task_id)
    temporary = temporary_name(name, mark_of(owner), "0123abcd")
    assert left_over_of(mark_of(owner), temporary)
    assert not left_over_of(mark_of(owner + "x"), temporary)
    assert not left_over_of(mark_of(owner), name)
    assert not left_over_of(mark_of(owner), f"notes.{mark_of(owner)}-0123abcd.part")
