"""The fast reader of native replies agrees with the reader of all dialects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from lipsync_async.terms import Reply
from lipsync_async.wire.layers import parse
from lipsync_async.wire.native import read_created
from lipsync_async.wire.replies import read_document

WORDS = st.one_of(
    st.text(max_size=70), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.sampled_from(["", " ", "860000"])
)
NUMBERS = st.one_of(st.integers(), st.integers(10**12, 10**15), st.floats(), st.none())
INFOS = st.one_of(
    st.builds(lambda name: {"external_task_id": name}, st.one_of(WORDS, st.none())), st.just({}), st.none()
)
HEADERS = st.dictionaries(st.sampled_from(["X-Request-Id", "x-oneapi-request-id", "Date"]), WORDS).map(CIMultiDict)
OPTIONAL = ("request_id", "task_info", "created_at", "updated_at")
EVERY_SUBSET = [{name for bit, name in enumerate(OPTIONAL) if number >> bit & 1} for number in range(16)]


def native(draw: Any) -> dict[str, Any]:
    """A create's success, or nearly so; some of the optional fields are left out."""
    task = {
        "task_id": draw(WORDS),
        "task_info": draw(INFOS),
        "task_status": draw(st.sampled_from(["submitted", "submitted", "submitted", "processing", ""])),
        "created_at": draw(NUMBERS),
        "updated_at": draw(NUMBERS),
    }
    top = {
        "code": draw(st.sampled_from([0, 0, 0, 1303, "0"])),
        "message": "SUCCEED",
        "request_id": draw(WORDS | st.none()),
    }
    extra = draw(st.dictionaries(st.sampled_from(["error", "id", "data", "status", "x"]), WORDS, max_size=1))
    return without({**top, "data": {**task, **extra}}, draw(st.sets(st.sampled_from(OPTIONAL))))


def without(top: dict[str, Any], missing: set[str]) -> dict[str, Any]:
    """The same reply with some fields left out."""
    data = {name: value for name, value in top["data"].items() if name not in missing}
    return {name: value for name, value in {**top, "data": data}.items() if name not in missing}


def slowly(body: bytes, headers: Mapping[str, str]) -> Reply:
    """Read by the reader of all dialects."""
    return read_document(200, headers, parse(body))


@given(st.data(), HEADERS)
def test_what_the_fast_reader_reads_is_what_the_slow_one_reads(data: st.DataObject, headers: CIMultiDict[str]) -> None:
    """Whenever the fast reader answers, its answer is the other's."""
    body = json.dumps(native(data.draw)).encode("utf-8", "surrogatepass")
    fast = read_created(body, headers)
    assert fast is None or fast == slowly(body, headers)


@pytest.mark.parametrize("missing", EVERY_SUBSET, ids=lambda names: "+".join(sorted(names)) or "none")
@pytest.mark.parametrize("headers", [CIMultiDict(), CIMultiDict({"x-oneapi-request-id": "h"})], ids=["plain", "named"])
def test_the_usual_reply_takes_the_fast_way(missing: set[str], headers: CIMultiDict[str]) -> None:
    """The platform's own success, and what a gateway makes of it that leaves out optional fields."""
    task = {"task_id": "860000000000000001", "task_info": {"external_task_id": "a"}, "task_status": "submitted"}
    times = {"created_at": 1783000000123, "updated_at": 1783000000123}
    whole = {"code": 0, "message": "SUCCEED", "request_id": "r", "data": {**task, **times}}
    body = json.dumps(without(whole, missing)).encode()
    fast = read_created(body, headers)
    assert fast is not None
    assert fast == slowly(body, headers)
    named = headers.get("X-Oneapi-Request-Id") if "request_id" in missing else "r"
    assert (fast.request_id, fast.created_at is None) == (named, "created_at" in missing)


@pytest.mark.parametrize(
    "change",
    [{"task_id": ""}, {"task_id": 5}, {"task_status": "processing"}, {"created_at": 1783000000}, {"error": "x"}],
)
def test_what_is_odd_is_left_to_the_other_reader(change: dict[str, Any]) -> None:
    """A field that is not exactly the platform's own."""
    data = {"task_id": "1", "task_status": "submitted"} | change
    body = json.dumps({"code": 0, "message": "SUCCEED", "data": data}).encode()
    assert read_created(body, CIMultiDict()) is None
