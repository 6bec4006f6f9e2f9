"""The key in what a gateway says."""

from __future__ import annotations

from multidict import CIMultiDict

from lipsync_async.wire.redaction import without_key
from tests.loopback.acts import KEY

HEADERS = CIMultiDict({"Authorization": f"Bearer {KEY}"})


def test_the_key_is_cut_out_of_what_a_gateway_says() -> None:
    """Also where JSON escaped its slashes; a stand-in that is too short is left alone."""
    assert without_key(b"no: key-that-nobody-may-see!", HEADERS) == b"no: [...]!"
    slashed = CIMultiDict({"Authorization": "Bearer abc/def+ghi=="})
    assert without_key(b'{"m":"abc\\/def+ghi== abc/def+ghi=="}', slashed) == b'{"m":"[...] [...]"}'
    short = CIMultiDict({"Authorization": "Bearer code"})
    assert without_key(b'{"code":0}', short) == b'{"code":0}'
