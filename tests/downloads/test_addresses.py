"""Which addresses may be fetched, and with the key."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lipsync_async.downloads.addresses import Hop, Inline, Reach, Refused, Rules, decode, reach_of

GATEWAY = Rules("https://api.gateway.example/base")
HERE = Rules("http://127.0.0.1:8000")
NEAR = ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1"]
NEAR6 = ["::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:a00:1", "64:ff9b::7f00:1"]
NEAR6 += ["2002:7f00:1::", "::127.0.0.1", "2001:0:a00:1::1", "64:ff9b:1::1", "fec0::1"]


@pytest.mark.parametrize(
    ("told", "with_key"),
    [
        ("https://api.gateway.example/v1/videos/7/content", True),
        ("HTTPS://API.gateway.example:443/x", True),
        ("/v1/videos/7/content", True),
        ("tmp/7.mp4", True),
        ("../7.mp4", True),
        ("http://api.gateway.example/x", False),
        ("http://api.gateway.example:443/x", False),
        ("https://api.gateway.example:8443/x", False),
        ("https://api.gateway.example./x", False),
        ("https://cdn.gateway.example/x", False),
        ("//cdn.example/x", False),
        ("https://cdn.example/x?u=https://api.gateway.example/", False),
        ("https://api.gateway.example.evil.example/x", False),
        ("https://8.8.8.8/x", False),
        ("https://[2606:4700::1111]/x", False),
    ],
)
def test_the_key_is_for_the_gateways_own_origin(told: str, with_key: bool) -> None:
    """Scheme, host and port; a relative address is the gateway's."""
    hop = GATEWAY.begin(told)
    assert isinstance(hop, Hop)
    assert hop.with_key == with_key


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example/a%7Eb%2fc?X-Sig=%2B+a%20b&x=1;2",
        "https://cdn.example/a//b/./c?q=http://x/?y#z",
        "https://cdn.example/?Policy=e~30_&Signature=a-b~",
    ],
)
def test_a_signed_url_is_sent_letter_by_letter(url: str) -> None:
    """Nothing is quoted anew; only a fragment goes."""
    hop = GATEWAY.begin(url)
    assert isinstance(hop, Hop)
    assert str(hop.url) == url.partition("#")[0]


@pytest.mark.parametrize(
    "told",
    [f"http://{host}/x" for host in NEAR]
    + [f"http://[{host}]/x" for host in NEAR6]
    + [f"http://{host}/x" for host in ("localhost", "LOCALHOST.", "a.localhost", "１２７.0.0.1", "127.0.0.1.")]
    + [f"http://{host}/x" for host in ("2130706433", "0177.0.0.1", "0x7f000001", "0x7f.1", "127.1", "017700000001")]
    + ["file:///etc/passwd", "ftp://cdn.example/x", "javascript:alert(1)", "gopher://x/", "blob:https://x/y"]
    + ["https://user@cdn.example/x", "https://user:word@cdn.example/x", "https://:w@cdn.example/x"]
    + ["https://cdn.example/a b", "https://cdn.example\\@evil.example/", "https://cdn.example/\r\nX: y", "https://a\t/"]
    + ["https:///x", "https://[bad/", "https://cdn.example:99999/", "https://cdn.example:x/", "http:x"]
    + ["http://[fe80::1%25eth0]/x", "https://\ud800.example/x"],
)
def test_what_is_not_fetched(told: str) -> None:
    """Neither as it was told nor from a redirect; the reason shows nothing of the URL."""
    start = GATEWAY.begin("https://cdn.example/")
    assert isinstance(start, Hop)
    for refused in (GATEWAY.begin(told), GATEWAY.follow(start, told)):
        assert isinstance(refused, Refused), refused
        assert refused.reason
        assert "word" not in refused.reason.replace("password", "")


def test_a_gateway_on_this_machine_may_name_this_machine() -> None:
    """And private networks, but no link-local address: that is where clouds keep their credentials."""
    for host in ("127.0.0.1:9", "127.9.9.9", "localhost:9", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "8.8.8.8"):
        assert isinstance(HERE.begin(f"http://{host}/x"), Hop)
    for host in ("169.254.169.254", "[fe80::1]", "224.0.0.1", "2130706433"):
        assert isinstance(HERE.begin(f"http://{host}/x"), Refused)
    keyed = [HERE.begin(f"http://{host}/") for host in ("127.0.0.1:8000", "127.0.0.1:8001", "localhost:8000")]
    assert [it.with_key for it in keyed if isinstance(it, Hop)] == [True, False, False]


@pytest.mark.parametrize(
    ("own", "admitted", "refused"),
    [
        ("10.0.0.1", ["10.9.9.9", "192.168.0.1", "100.64.0.1", "8.8.8.8"], ["127.0.0.1", "169.254.1.1", "0.0.0.0"]),
        ("198.18.0.7", ["198.18.0.8", "8.8.8.8"], ["127.0.0.1"]),
        ("169.254.1.1", ["169.254.1.2", "8.8.8.8"], ["10.0.0.1", "127.0.0.1"]),
        ("8.8.8.8", ["1.1.1.1"], ["10.0.0.1", "127.0.0.1", "198.18.0.8"]),
        ("0.0.0.0", ["127.0.0.1", "0.0.0.0"], ["169.254.1.1"]),
    ],
)
def test_nothing_nearer_than_the_gateway(own: str, admitted: list[str], refused: list[str]) -> None:
    """The same whether its address stands in its URL or its name was resolved to it."""
    for rules in (Rules(f"http://{own}:81"), Rules("http://gateway.example", [reach_of(own)])):
        assert [rules.refuses(it) for it in admitted] == [None] * len(admitted)
        assert all(rules.refuses(it) for it in refused)


def test_an_unresolved_gateway_is_a_public_one() -> None:
    """Several addresses admit what any of them does."""
    assert Rules("http://gateway.example").admitted == {Reach.GLOBAL}
    assert Rules("http://gateway.example", [Reach.GLOBAL, Reach.LINK_LOCAL]).refuses("169.254.1.1") is None


def test_the_key_never_comes_back_from_a_redirect() -> None:
    """Within the gateway's origin it goes along; once that was left, it stays away."""
    own = GATEWAY.begin("/v1/videos/7/content")
    assert isinstance(own, Hop)
    inside = GATEWAY.follow(own, "/files/7.mp4")
    assert isinstance(inside, Hop)
    assert inside.with_key
    assert str(inside.url) == "https://api.gateway.example/files/7.mp4"
    outside = GATEWAY.follow(inside, "https://cdn.example/7.mp4")
    assert isinstance(outside, Hop)
    assert not outside.with_key
    relative = GATEWAY.follow(outside, "8.mp4")
    assert isinstance(relative, Hop)
    assert str(relative.url) == "https://cdn.example/8.mp4"
    back = GATEWAY.follow(outside, "https://api.gateway.example/v1/videos/7/content")
    assert isinstance(back, Hop)
    assert not back.with_key
    assert isinstance(GATEWAY.follow(own, "data:video/mp4;base64,AAAA"), Refused)


@given(st.one_of(st.ip_addresses(v=4), st.sampled_from([IPv4Address(it) for it in NEAR])))
def test_an_address_inside_another_is_as_near(address: IPv4Address) -> None:
    """IPv4 mapped into IPv6, translated, and in the prefix of 6to4; nothing near is taken for public."""
    reach = reach_of(address)
    number = int(address)
    for inside in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert reach_of(IPv6Address(inside)) is reach
    if not address.is_global or address.is_multicast:
        assert reach is not Reach.GLOBAL or address in {ip_address("192.0.0.9"), ip_address("192.0.0.10")}
    disguises = [str(number), hex(number), f"0{number:o}", f"{address}.", f"0x{number >> 24:x}.{number & 0xFFFFFF}"]
    for host in disguises:
        assert isinstance(GATEWAY.begin(f"http://{host}/"), Refused)


@given(st.ip_addresses(v=6))
@example(IPv6Address("2002:100::"))
def test_no_near_address_of_the_sixth_version_is_public(address: IPv6Address) -> None:
    """As far as the standard library knows them; one that carries another is as near as that, whatever Python says."""
    if address.sixtofour is not None:
        assert reach_of(address) is reach_of(address.sixtofour)
    elif address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert reach_of(address) is not Reach.GLOBAL


@given(st.text(max_size=60), st.booleans())
def test_any_text_is_judged(text: str, redirected: bool) -> None:
    """Without an exception; and never is a near address, or another origin, given the key."""
    start = GATEWAY.begin("/x")
    assert isinstance(start, Hop)
    found = GATEWAY.follow(start, text) if redirected else GATEWAY.begin(text)
    assert isinstance(found, Hop | Inline | Refused)
    if isinstance(found, Hop) and found.with_key:
        assert (found.url.scheme, found.url.host, found.url.port) == ("https", "api.gateway.example", 443)


@given(st.binary(max_size=200))
def test_data_urls_hold_the_video(content: bytes) -> None:
    """In Base64 of both alphabets, padded or not, escaped or not; or percent-encoded."""
    text = b64encode(content).decode()
    url_safe = text.replace("+", "-").replace("/", "_")
    for told in (text, text.rstrip("="), url_safe, quote(text, safe="")):
        assert decode(f"data:video/mp4;base64,{told}") == content
    assert decode(f"DATA:;charset=x;BASE64,{text}") == content
    assert decode("data:," + quote(content, safe="")) == content
    assert GATEWAY.begin("Data:,x") == Inline("Data:,x")


def test_a_data_url_that_cannot_be_read() -> None:
    """Is no video."""
    assert decode("data:video/mp4;base64") is None
    assert decode("data:;base64,a") is None
    assert decode("data:;base64,$$$$") is None
