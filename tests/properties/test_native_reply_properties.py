"""The fast reader of native replies agrees with the reader of all dialects."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.terms import Reply
from lipsync_async.wire.layers import layers_of, parse
from lipsync_async.wire.native import read_created
from lipsync_async.wire.replies import read_object

WORDS = st.one_of(
    st.text(max_size=70), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.sampled_from(["", " ", "860000"])
)
NUMBERS = st.one_of(st.integers(), st.integers(10**12, 10**15), st.floats(), st.none())


def native(draw: Any) -> dict[str, Any]:
    """A create's success, or nearly so."""
    task = {
        "task_id": draw(WORDS),
        "task_info": {"external_task_id": draw(WORDS)},
        "task_status": draw(st.sampled_from(["submitted", "submitted", "submitted", "processing", ""])),
        "created_at": draw(NUMBERS),
        "updated_at": draw(NUMBERS),
    }
    top = {"code": draw(st.sampled_from([0, 0, 0, 1303, "0"])), "message": "SUCCEED", "request_id": draw(WORDS)}
    extra = draw(st.dictionaries(st.sampled_from(["error", "id", "data", "status", "x"]), WORDS, max_size=1))
    return {**top, "data": {**task, **extra}}


def slowly(body: bytes) -> Reply:
    """Read by the reader of all dialects."""
    top, suspicious = parse(body)
    assert isinstance(top, dict)
    return read_object(200, {}, top, layers_of(top), suspicious=suspicious)


@given(st.data())
def test_what_the_fast_reader_reads_is_what_the_slow_one_reads(data: st.DataObject) -> None:
    """Whenever the fast reader answers, its answer is the other's."""
    body = json.dumps(native(data.draw)).encode("utf-8", "surrogatepass")
    fast = read_created(body)
    assert fast is None or fast == slowly(body)


def test_the_usual_reply_takes_the_fast_way() -> None:
    """The platform's own success, as the seeds' gateways give it."""
    task = {"task_id": "860000000000000001", "task_info": {"external_task_id": "a"}, "task_status": "submitted"}
    times = {"created_at": 1783000000123, "updated_at": 1783000000123}
    body = json.dumps({"code": 0, "message": "SUCCEED", "request_id": "r", "data": {**task, **times}}).encode()
    fast = read_created(body)
    assert fast is not None
    assert fast == slowly(body)
