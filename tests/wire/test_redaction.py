"""The key in what a gateway says: cut out of headers and bodies, however it is escaped there."""

from __future__ import annotations

import html
import json
import ssl
import time
import urllib.parse

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from lipsync_async.terms import Failure, Reply
from lipsync_async.wire.redaction import CleanHeaders, clean_error, text_without_key, without_key
from tests.loopback.acts import KEY
from tests.loopback.raw import answering, reply
from tests.wire.test_transport import post, through

ODD = "0123abcd4567efgh89/+=ijkl&mn<op>\\q\"r'"


def call(key: str) -> CIMultiDict[str]:
    """The headers of a call with that key."""
    return CIMultiDict({"Authorization": f"Bearer {key}"})


def in_json(key: str) -> str:
    """All of it as escapes of JSON."""
    return "".join(f"\\u{ord(char):04x}" for char in key)


FORMS = {
    "verbatim": ODD,
    "JSON": json.dumps(ODD)[1:-1],
    "JSON with slashes": json.dumps(ODD)[1:-1].replace("/", "\\/"),
    "JSON as Go writes it": "".join(in_json(char) if char in "<>&" else json.dumps(char)[1:-1] for char in ODD),
    "JSON, all escaped": in_json(ODD),
    "JSON, all escaped, capitals": in_json(ODD).upper().replace("\\U", "\\u"),
    "JSON inside JSON": json.dumps(json.dumps(ODD)[1:-1])[1:-1],
    "JSON inside JSON inside JSON": json.dumps(json.dumps(json.dumps(ODD)[1:-1])[1:-1])[1:-1],
    "JSON, all escaped, inside JSON": json.dumps(in_json(ODD))[1:-1],
    "JavaScript": "".join(f"\\x{ord(char):02x}" for char in ODD),
    "HTML": html.escape(ODD),
    "HTML, figures": "".join(f"&#{ord(char)};" for char in ODD),
    "HTML, hexadecimal": "".join(f"&#x{ord(char):X};" for char in ODD),
    "HTML inside HTML": html.escape(html.escape(ODD)),
    "URL": urllib.parse.quote(ODD, safe=""),
    "URL inside a URL": urllib.parse.quote(urllib.parse.quote(ODD, safe=""), safe=""),
    "URL, all escaped": "".join(f"%{ord(char):02X}" for char in ODD),
    "repr": repr(ODD)[1:-1],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_cut_out_in_any_form(form: str) -> None:
    """Of a body, a text and a header alike."""
    quoted = FORMS[form]
    assert without_key(f"no: {quoted}!".encode(), call(ODD)) == b"no: [...]!"
    assert text_without_key(f"no: {quoted}!", call(ODD)) == "no: [...]!"
    said = CIMultiDictProxy(CIMultiDict({"X-Request-Id": f"<{quoted}>", "Date": "today"}))
    cleaned = CleanHeaders(said, call(ODD))
    assert (cleaned["x-request-id"], cleaned["Date"]) == ("<[...]>", "today")


@pytest.mark.parametrize(
    "text",
    [
        '{"code":0,"data":{"task_id":"86","url":"https://x.example/?a=1&sig=%2Fabc&b=\\u0026"}}',
        "0123abcd4567",
        "\\" * 99,
        "&amp;" * 99,
        "",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    """Escapes and a part of the key are no key."""
    assert without_key(text.encode(), call(ODD)) == text.encode()
    said = CIMultiDict({"X": text})
    assert CleanHeaders(said, call(ODD))["X"] == text


def test_headers_are_cleaned_when_they_are_asked_for() -> None:
    """By any spelling of a name, for whatever reads them; their repr shows no value."""
    said = CleanHeaders(CIMultiDict({"X-Request-Id": f"r-{ODD}", "Age": "3"}), call(ODD))
    assert said.get("x-request-id") == "r-[...]"
    assert dict(said) == {"X-Request-Id": "r-[...]", "Age": "3"}
    assert (len(said), said.get("Date"), said.get("Date", "none")) == (2, None, "none")
    assert ODD not in repr(said)


def test_a_stand_in_is_left_alone() -> None:
    """A key that is too short to be one would be found where it is not."""
    assert without_key(b'{"code":0}', call("code")) == b'{"code":0}'
    said = CIMultiDict({"X": "code"})
    assert CleanHeaders(said, call("code"))["X"] == "code"


def test_bytes_that_are_no_utf_8_come_through() -> None:
    """In a body, and in a header as aiohttp decodes it."""
    assert without_key(b"\xff" + ODD.encode() + b"\xfe%41", call(ODD)) == b"\xff[...]\xfe%41"
    said = CIMultiDict({"X": f"\udcff%41{ODD}"})
    assert CleanHeaders(said, call(ODD))["X"] == "\udcff%41[...]"


@pytest.mark.parametrize(
    "text",
    ["\\" * 10**6, "\\u0030" * 160_000, "&amp;" * 200_000, "%25" * 300_000, "0" * 10**6 + "\\u"],
    ids=lambda text: text[:6],
)
def test_hostile_texts_cost_little(text: str) -> None:
    """A megabyte that looks nearly like a key holds nobody up for long."""
    begun = time.process_time()
    without_key(text.encode(), call(ODD))
    assert time.process_time() - begun < 2.0


# --- exceptions ----------------------------------------------------------------------------------------------------


class Quoting(aiohttp.ClientError):
    """An exception with more than its text."""

    def __init__(self, **values: object) -> None:
        super().__init__("broken")
        vars(self).update(values)


def came_of(error: Exception, cause: Exception) -> Exception:
    """As `raise error from cause` makes it."""
    error.__cause__ = cause
    return error


PROXIED = ConnectionKey("gateway", 443, True, True, URL("http://me:secret@proxy:1"), None, None)


@pytest.mark.parametrize(
    ("raised", "kept"),
    [
        (ConnectionResetError(104, "reset"), ConnectionResetError),
        (aiohttp.ServerDisconnectedError(), aiohttp.ServerDisconnectedError),
        (came_of(aiohttp.ClientOSError(104, "reset"), ConnectionResetError(104, "reset")), ConnectionResetError),
        (came_of(aiohttp.ClientPayloadError("cut"), KeyError("x")), aiohttp.ClientPayloadError),
        (aiohttp.ClientConnectorError(PROXIED, ConnectionRefusedError(111, "refused")), ConnectionRefusedError),
        (aiohttp.ClientConnectorCertificateError(PROXIED, ssl.SSLCertVerificationError("old")), ssl.SSLError),
        (Quoting(said="nothing"), Quoting),
        (ValueError(f"Invalid header value {KEY}"), None),
        (ValueError("quoted", in_json(KEY)), None),
        (Quoting(headers=CIMultiDict({"X": f"Bearer {KEY}"})), None),
        (Quoting(request_info=None), None),
        (aiohttp.InvalidURL("http://me:secret@proxy:1"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_is_kept_where_it_holds_no_secret(raised: Exception, kept: type[Exception] | None) -> None:
    """What aiohttp wraps is unwrapped, and no frame stays: frames hold the headers."""
    try:
        raise raised
    except Exception as error:  # noqa: BLE001 - whatever it is
        found = clean_error(error, call(KEY))
    if kept is None:
        assert found is None
        return
    assert isinstance(found, kept)
    assert "secret" not in f"{found!r} {vars(found)!r}"
    assert found.__traceback__ is None


# --- replies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Oneapi-Request-Id"])
def test_no_reply_shows_the_key(name: str) -> None:
    """A gateway that puts the key into its own headers and body gets neither of them into a reply."""
    body = {"code": 1201, "message": f"bad key {KEY}", "data": in_json(KEY)}
    answer, _ = through(post, always=answering(reply(body, 400, f"{name}: {KEY}")))
    assert isinstance(answer, Reply)
    assert answer.request_id == "[...]"
    assert KEY not in repr(answer)
    escaped = reply(f'{{"code":1201,"message":"bad key {in_json(KEY)}"}}', 400)
    answer, _ = through(post, always=answering(escaped))
    assert not isinstance(answer, Failure)
    assert answer.message == "bad key [...]"
