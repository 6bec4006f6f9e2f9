"""Which jobs are shown: fair among reasons, the slowest exactly, and a sample that is spread."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.report.picking import Fair, Row, Sample, Slowest, shares, spread


def row(name: object) -> Row:
    """A row that can be told from others."""
    return Row(name=str(name))


def kept(groups: list[int], most: int) -> Fair[int]:
    """What is kept of jobs that come with these groups."""
    fair: Fair[int] = Fair(most)
    for place, group in enumerate(groups):
        if fair.wants(group):
            fair.put(group, row(place))
    return fair


@given(st.lists(st.integers(0, 5), max_size=200), st.integers(6, 40))
def test_small_groups_are_kept_whole(groups: list[int], most: int) -> None:
    """As many rows as there is room for; a group lacks rows only where no other has more than one above it."""
    fair, came = kept(groups, most), Counter(groups)
    sizes = {group: len(fair.rows[group]) for group in came}
    assert fair.counts == came
    assert sum(sizes.values()) <= most
    if len(groups) <= most:
        assert sizes == came
    for group, size in sizes.items():
        assert size == came[group] or size >= max(sizes.values()) - 1


@given(st.lists(st.integers(0, 3), max_size=100))
def test_a_group_keeps_its_first_rows(groups: list[int]) -> None:
    """In the order in which they came."""
    for group, rows in kept(groups, 10).rows.items():
        places = [str(place) for place, one in enumerate(groups) if one == group]
        assert [one.name for one in rows] == places[: len(rows)]


def test_one_large_group_has_all_the_room() -> None:
    """Until a small one comes."""
    fair = kept([0] * 50, 10)
    assert len(fair.rows[0]) == 10
    fair = kept([0] * 50 + [1, 2], 10)
    assert {group: len(rows) for group, rows in fair.rows.items()} == {0: 8, 1: 1, 2: 1}


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(0, 200))
def test_shares_are_as_equal_as_can_be(wanted: list[int], room: int) -> None:
    """All the room is given away where it is wanted, and nobody has two more than one who wants more."""
    given_away = shares(wanted, room)
    assert sum(given_away) == min(room, sum(wanted))
    for one, has in zip(wanted, given_away, strict=True):
        assert 0 <= has <= one
        assert has == one or has >= max(given_away) - 1


@given(st.lists(st.floats(0, 1000, allow_nan=False), max_size=60), st.integers(1, 10))
def test_the_slowest_are_these(durations: list[float], most: int) -> None:
    """The same as sorting all of them."""
    slowest = Slowest(most)
    for place, took in enumerate(durations):
        if took > slowest.least:
            slowest.put(took, row(place))
    expected = sorted(durations, reverse=True)[:most]
    assert [durations[int(one.name)] for one in slowest.rows] == expected


@given(st.integers(0, 500), st.integers(2, 20))
def test_a_sample_is_spread(count: int, most: int) -> None:
    """All of a few; of many every so-manieth, and at least half of the room is used."""
    sample = Sample(most)
    for place in range(count):
        if sample.wants():
            sample.put(row(place))
    places = [int(one.name) for one in sample.rows]
    assert sample.seen == count
    assert len(places) <= most
    if count <= most:
        assert places == list(range(count))
    else:
        every = places[1]
        assert places == list(range(0, count, every))
        assert len(places) >= most // 2


@given(st.integers(0, 50), st.integers(0, 50))
def test_spread_keeps_the_order(count: int, room: int) -> None:
    """No row twice."""
    rows = [row(place) for place in range(count)]
    chosen = spread(rows, room)
    assert len(chosen) == min(count, room)
    assert [int(one.name) for one in chosen] == sorted({int(one.name) for one in chosen})
