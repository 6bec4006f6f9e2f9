"""Signed callbacks: the official vector, an independent implementation, and whatever else anybody may send."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_async.errors import CallbackVerificationError, ConfigurationError
from lipsync_async.terms import TaskStatus
from lipsync_async.wire.callbacks import MAX_BYTES, CallbackTask, key_of, parse_callback, verify, webhook_id_of
from tests.amounts import how_many

SAMPLE = json.loads(
    (Path(__file__).parent.parent / "wire-samples" / "c02_callback_signed_official_vector.json").read_text("utf-8")
)
BODY = SAMPLE["body_text"].encode()
HEADERS: dict[str, str] = SAMPLE["headers"]
KEY = key_of(SAMPLE["secret"])
OTHER = b"another secret, by which it is not signed"
NOW = 1_781_080_794.0
MARKS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def holds(headers: Any = HEADERS, body: Any = BODY, *keys: bytes, tolerance: float = 300.0, now: float = NOW) -> bool:
    """Whether the callback is believed; nothing but the one error says that it is not."""
    try:
        verify(headers, body, keys or (KEY,), tolerance=tolerance, now=now)
    except CallbackVerificationError:
        return False
    return True


def signed(webhook_id: str, timestamp: str, body: bytes, *keys: bytes) -> dict[str, str]:
    """The headers of a callback that is signed with these keys, by hand."""
    text = f"{webhook_id}.{timestamp}.".encode() + body
    parts = [f"v1,{b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()}" for key in keys or (KEY,)]
    return {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(parts)}


# --- the signature --------------------------------------------------------------------------------------------------


def test_the_official_vector() -> None:
    """As the platform's own page has it."""
    assert holds()
    assert not holds(HEADERS, BODY + b" ")
    assert not holds(HEADERS, BODY, OTHER)


def test_a_secret_that_is_replaced_counts_beside_the_new_one() -> None:
    """On either side: several keys here, several signatures there."""
    assert holds(HEADERS, BODY, OTHER, KEY)
    assert holds(signed("1", str(int(NOW)), BODY, OTHER, KEY), BODY)
    assert not holds(signed("1", str(int(NOW)), BODY, OTHER, OTHER), BODY)


@pytest.mark.parametrize(("off", "expected"), [(300.0, True), (-300.0, True), (300.5, False), (-300.5, False)])
def test_the_tolerance_holds_on_both_sides(off: float, expected: bool) -> None:
    """Of the clock that is handed in."""
    assert holds(now=NOW + off) is expected


def test_the_tolerance_is_the_callers() -> None:
    """An hour, or next to nothing."""
    assert holds(now=NOW + 3600.0, tolerance=3600.0)
    assert not holds(now=NOW + 1.5, tolerance=1.0)


def test_names_of_headers_have_any_case_and_form() -> None:
    """As frameworks hand them over, in bytes too."""
    assert holds({name.upper(): value for name, value in HEADERS.items()})
    assert holds({name.encode(): value.encode() for name, value in HEADERS.items()})
    assert holds(HEADERS | {"X-Other": 5})
    assert holds(HEADERS, bytearray(BODY))


@pytest.mark.parametrize("mark", MARKS)
def test_a_header_that_is_missing_is_no_signature(mark: str) -> None:
    """Nor one that is empty."""
    assert not holds({name: value for name, value in HEADERS.items() if name != mark})
    assert not holds(HEADERS | {mark: " "})


@pytest.mark.parametrize(
    "told",
    [
        "v1",
        "v1,",
        ",",
        "v2,{}",
        "V1,{}",
        "v1,{}x",
        "v1,!{}",
        "v1 {}",
        "v1,\udce9",
        "v1a,{}",
    ],
)
def test_an_odd_part_is_passed_over(told: str) -> None:
    """By itself it is no signature, and beside one it spoils nothing."""
    good = HEADERS["webhook-signature"].partition(",")[2]
    odd = told.format(good)
    assert not holds(HEADERS | {"webhook-signature": odd})
    assert holds(HEADERS | {"webhook-signature": f"{odd}  v1,{good} {odd}"})


@pytest.mark.parametrize(
    "time", ["", "x", "-1", "+1781080794", "1781080794.0", "1e9", " ", "9" * 400, "１７８１０８０７９４"]
)
def test_a_time_is_whole_seconds(time: str) -> None:
    """However well it is signed."""
    told = HEADERS | {"webhook-timestamp": time}
    assert not holds(told)
    if time.strip():
        assert not holds(signed("1", time, BODY) if time.isascii() else told, BODY)


def test_the_time_is_signed_as_it_is_written() -> None:
    """Leading zeros and all."""
    assert holds(signed("1", f"0{int(NOW)}", BODY))


def test_what_is_too_long_is_not_read() -> None:
    """An id of 256 characters is an id; signatures of 4,096 are some fifty."""
    now = str(int(NOW))
    assert holds(signed("i" * 256, now, BODY))
    assert not holds(signed("i" * 257, now, BODY))
    padded = signed("1", now, BODY)
    length = len(padded["webhook-signature"])
    assert holds(padded | {"webhook-signature": padded["webhook-signature"] + " x" * ((4096 - length) // 2)})
    assert not holds(padded | {"webhook-signature": padded["webhook-signature"] + " x" * 2048})


def test_without_a_secret_nothing_is_believed() -> None:
    """There is nothing to believe it by."""
    with pytest.raises(CallbackVerificationError, match="not signed with a secret of ours"):
        verify(HEADERS, BODY, (), tolerance=300.0, now=NOW)


@pytest.mark.parametrize("body", ["text", {"id": "1"}, None, memoryview(BODY)])
def test_a_body_is_its_raw_bytes(body: Any) -> None:
    """What was parsed and written anew is signed by nobody."""
    with pytest.raises(CallbackVerificationError, match="raw bytes"):
        verify(HEADERS, body, (KEY,), tolerance=300.0, now=NOW)
    with pytest.raises(CallbackVerificationError, match="raw bytes"):
        parse_callback(body)


class _Hostile(Mapping[str, str]):
    """Headers that cannot be read."""

    def __getitem__(self, name: str) -> str:
        raise RuntimeError(name)

    def __iter__(self) -> Iterator[str]:
        yield "webhook-id"

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("headers", [None, 5, "webhook-id", [("webhook-id", "1")], _Hostile()])
def test_headers_that_are_none_are_the_one_error(headers: Any) -> None:
    """And have no id by which they would be known again."""
    assert not holds(headers)
    assert webhook_id_of(headers) is None


# --- secrets --------------------------------------------------------------------------------------------------------


def test_a_secret_has_a_prefix_or_none_and_padding_or_none() -> None:
    """Base64 in any case."""
    plain = SAMPLE["secret"].removeprefix("whsec_")
    for secret in (plain, plain.rstrip("="), f" {SAMPLE['secret']}\n"):
        assert key_of(secret) == KEY == b"testsecrettestsecrettestsecret12"


@pytest.mark.parametrize("secret", ["", "whsec_", "not base64!", "whsec_é", "a", None, 5])
def test_a_secret_that_is_none_is_told_at_once(secret: Any) -> None:
    """It would verify nothing; and it is not shown."""
    with pytest.raises(ConfigurationError) as raised:
        key_of(secret)
    assert not secret or len(str(secret)) < 7 or str(secret) not in str(raised.value)


# --- an independent implementation ----------------------------------------------------------------------------------


def _standard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The independent implementation, at our moment."""
    module = pytest.importorskip(
        "standardwebhooks.webhooks", reason="standardwebhooks is not installed: pip install -e '.[test]'"
    )

    class Fixed(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Fixed:
            return cls.fromtimestamp(NOW, tz)

    monkeypatch.setattr(module, "datetime", Fixed)
    return module


def test_an_independent_implementation_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """On 1,000 random messages: good, old, cut, signed with another secret, or with a part that is odd."""
    module, dice = _standard(monkeypatch), Random(20)
    agreed = {True: 0, False: 0}
    for number in range(1_000):
        key, wrong = dice.randbytes(32), dice.randbytes(32)
        secret = ("whsec_" if number % 2 else "") + b64encode(key).decode()
        body = json.dumps({"task_id": str(dice.getrandbits(60)), "text": "é" * dice.randrange(5)}).encode()
        late = dice.choice([0, 0, 0, 299, -299, 301, -301, 5000])
        headers = signed(f"msg_{number}", str(int(NOW) - late), body, *dice.choice([(key,), (wrong, key), (wrong,)]))
        body = dice.choice([body, body, body, body[:-1], body + b"\n"])
        if dice.random() < 0.1:
            headers["webhook-signature"] = "v0,abcd " + headers["webhook-signature"]
        try:
            module.Webhook(secret).verify(body, headers, json_parse=False)
            theirs = True
        except Exception:  # noqa: BLE001 - it raises more than its own error
            theirs = False
        assert holds(headers, body, key_of(secret)) is theirs
        agreed[theirs] += 1
    assert min(agreed.values()) > 200


def test_what_it_signs_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other direction."""
    module = _standard(monkeypatch)
    hook = module.Webhook(SAMPLE["secret"])
    for number in range(100):
        body = f'{{"task_id": "{number}"}}'
        moment = dt.datetime.fromtimestamp(NOW, dt.UTC)
        told = {"webhook-id": f"m{number}", "webhook-timestamp": str(int(NOW))}
        assert holds(told | {"webhook-signature": hook.sign(f"m{number}", moment, body)}, body.encode())


# --- whatever comes -------------------------------------------------------------------------------------------------


def test_a_hundred_thousand_random_callbacks_raise_nothing_else() -> None:
    """Random bytes in every header and in the body, some of them nearly right."""
    dice, believed = Random(7), 0
    for _ in range(100_000):
        headers = {name: _odd(dice, HEADERS[name]) for name in MARKS if dice.random() < 0.9}
        body = _odd(dice, SAMPLE["body_text"]).encode("latin-1", "replace")
        if holds(headers, body):
            believed += 1
            assert body == BODY
            assert all(headers[name].strip() == HEADERS[name] for name in MARKS[:2])
        try:
            parse_callback(body)
        except CallbackVerificationError:
            continue
    assert believed > 1_000  # those that came out unchanged


def _odd(dice: Random, text: str) -> str:
    kind = dice.randrange(6)
    if kind < 3:
        return text
    if kind == 3:
        return dice.randbytes(dice.randrange(12)).decode("latin-1")
    place = dice.randrange(len(text))
    return text[:place] + (dice.randbytes(1).decode("latin-1") if kind == 4 else "") + text[place + 1 :]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=how_many(300))
@given(st.dictionaries(st.sampled_from(MARKS) | st.binary(max_size=4), anything, max_size=5) | anything, anything)
def test_no_value_of_any_kind_raises_anything_else(headers: Any, body: Any) -> None:
    """As a framework, or a caller's mistake, may hand it over."""
    assert not holds(headers, body)
    try:
        parse_callback(body)
    except CallbackVerificationError:
        assert webhook_id_of(headers) is None or isinstance(webhook_id_of(headers), str)


# --- what it speaks of ----------------------------------------------------------------------------------------------


FAILED = CallbackTask(task_id="86", status=TaskStatus.FAILED)
DONE = CallbackTask(task_id="86", status=TaskStatus.SUCCEED)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BODY, CallbackTask(task_id="1234567890", status=TaskStatus.SUCCEED)),
        (
            b'{"task_id":"86","task_status":"processing","task_info":{"external_task_id":"job-1"}}',
            CallbackTask(task_id="86", external_task_id="job-1", status=TaskStatus.PROCESSING),
        ),
        (
            b'{"code":0,"message":"SUCCEED","data":{"task_id":86,"task_status":"failed","task_status_msg":"no"}}',
            CallbackTask(task_id="86", status=TaskStatus.FAILED),
        ),
        (b'{"code":1301,"data":{"task_id":"86","task_status":"failed"}}', FAILED),
        (
            b'{"code":"success","data":{"task_id":"86","status":"SUCCESS"}}',
            CallbackTask(task_id="86", status=TaskStatus.SUCCEED),
        ),
        (b'{"task_id":"86"}', CallbackTask(task_id="86")),
    ],
)
def test_the_task_is_found_in_any_envelope(body: bytes, expected: CallbackTask) -> None:
    """At top level, in an envelope, with and without what the job is called."""
    assert parse_callback(body) == expected


def test_a_result_is_never_taken_from_a_callback() -> None:
    """It has no place where a URL could stand."""
    body = b'{"task_id":"86","task_status":"succeed","task_result":{"videos":[{"url":"https://evil.example/v.mp4"}]}}'
    assert "evil" not in repr(parse_callback(body))
    assert set(CallbackTask.__struct_fields__) == {"task_id", "external_task_id", "status"}


@pytest.mark.parametrize(
    ("status", "ended"), [("succeed", True), ("failed", True), ("processing", False), ("submitted", False)]
)
def test_only_an_end_is_worth_a_look(status: str, ended: bool) -> None:
    """That a task runs is no news."""
    assert parse_callback(json.dumps({"task_id": "8", "task_status": status}).encode()).ended is ended
    assert not parse_callback(b'{"task_id":"8"}').ended


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"task_status":"succeed"}', b"\xff\xfe", b"<html>"])
def test_what_names_no_task_cannot_be_read(body: bytes) -> None:
    """The one error."""
    with pytest.raises(CallbackVerificationError):
        parse_callback(body)


def test_what_is_too_large_is_not_read() -> None:
    """A mebibyte is the most."""
    fitting = b'{"task_id":"8"}'
    assert parse_callback(fitting.ljust(MAX_BYTES)).task_id == "8"
    with pytest.raises(CallbackVerificationError, match="too large"):
        parse_callback(fitting.ljust(MAX_BYTES + 1))
