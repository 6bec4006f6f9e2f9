"""No key that a header can carry survives in what a gateway says, whatever form each of its characters takes."""

from __future__ import annotations

import html
import json

from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from lipsync_async.wire.redaction import CleanHeaders, without_key

KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60)
FORMS = st.sampled_from(
    [
        lambda char: char,
        lambda char: f"\\u{ord(char):04x}",
        lambda char: f"\\u{ord(char):04X}",
        lambda char: f"\\\\u{ord(char):04x}",
        lambda char: json.dumps(char)[1:-1],
        lambda char: f"%{ord(char):02x}",
        lambda char: f"%{ord(char):02X}",
        lambda char: f"&#{ord(char)};",
        lambda char: f"&#x{ord(char):02x};",
        html.escape,
    ]
)


@given(st.data(), KEYS, st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_a_key_is_left(data: st.DataObject, key: str, before: str, after: str) -> None:
    """Each character may be written otherwise than the one before it."""
    quoted = "".join(data.draw(FORMS)(char) for char in key)
    call = CIMultiDict({"Authorization": f"Bearer {key}"})
    raw = f"{before} {quoted} {after}".encode("utf-8", "replace")
    assert quoted.encode() not in without_key(raw, call)
    told = CleanHeaders(CIMultiDict({"X-Request-Id": f" {quoted} "}), call)
    assert quoted not in told["X-Request-Id"]


@given(KEYS, st.binary(max_size=200))
def test_what_holds_no_key_is_left_alone(key: str, raw: bytes) -> None:
    """Bytes in which none of its characters stand, in whatever form."""
    plain = bytes(byte for byte in raw if byte >= 0x80 or byte == 0x20)
    assert without_key(plain, CIMultiDict({"Authorization": f"Bearer {key}"})) == plain
