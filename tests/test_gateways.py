"""Gateways as data: where they are, and how one is named."""

from __future__ import annotations

import pytest

from lipsync_async import ANYAPI, CHAINHUB, KLING, Gateway
from lipsync_async.errors import ConfigurationError
from lipsync_async.gateways import GATEWAYS, gateway_for


@pytest.mark.parametrize(
    ("gateway", "url"),
    [
        (CHAINHUB, "https://api.chainhub.tech/kling/v1/videos/advanced-lip-sync"),
        (ANYAPI, "https://www.anyapi.vip/kling/v1/videos/advanced-lip-sync"),
        (KLING, "https://api-singapore.klingai.com/v1/videos/advanced-lip-sync"),
        (KLING.at("https://api-beijing.klingai.com/"), "https://api-beijing.klingai.com/v1/videos/advanced-lip-sync"),
        (gateway_for("http://localhost:8080//"), "http://localhost:8080/kling/v1/videos/advanced-lip-sync"),
        (gateway_for("https://x.example/deep"), "https://x.example/deep/kling/v1/videos/advanced-lip-sync"),
    ],
)
def test_a_create_goes_where_the_contract_says(gateway: Gateway, url: str) -> None:
    """Base URL, prefix, path; slashes at the end do no harm."""
    assert gateway.create_url == url


def test_the_profiles_say_what_the_contract_says() -> None:
    """Key variables, fractions, AAC and the task list (sections 1 and 2)."""
    assert [gateway.key_variable for gateway in GATEWAYS.values()] == [
        "CHAINHUB_API_KEY",
        "ANYAPI_API_KEY",
        "KLING_API_KEY",
    ]
    assert (KLING.fractional_volumes, KLING.accepts_aac, KLING.lists_tasks) == (True, True, True)
    assert (CHAINHUB.fractional_volumes, CHAINHUB.accepts_aac, CHAINHUB.lists_tasks) == (False, False, False)


def test_a_gateway_is_found_by_name_or_url() -> None:
    """Whatever its case; a gateway is itself."""
    assert gateway_for("AnyAPI") is ANYAPI
    assert gateway_for(KLING) is KLING
    own = gateway_for("https://my.example:8443")
    assert (own.name, own.key_variable) == ("my.example:8443", "LIPSYNC_API_KEY")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nobody",
        "ftp://x.example",
        "https://",
        "https://x.example?a=b",
        "https://x.example#a",
        "https://u:p@x.example",
    ],
)
def test_what_is_no_gateway_is_refused(wrong: str) -> None:
    """With a text that says what would be right, and shows no password."""
    with pytest.raises(ConfigurationError) as caught:
        gateway_for(wrong)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ("https://x.example?key=secret", "https://x.example"),
        ("https://x.example/deep/secret#secret", "https://x.example"),
        ("ftp://u:secret@x.example", "ftp://"),
        ("https://u:secret@x.example?key=secret", "https://"),
        ("https://u:secret@", "https://"),
        ("https://u:secret/more@x.example", "no URL"),
        ("https://secret/more@x.example", "https://"),
        ("https://u:secret@[x", "no URL"),
        ("https://x.example:secret", "no URL"),
        ("u:secret@x.example", "neither a gateway"),
        ("x.example?key=secret", "neither a gateway"),
        ("sk-secret", "neither a gateway"),
        ("secret", "neither a gateway"),
        ("secret://x.example", "...://x.example"),
    ],
)
def test_a_refused_address_shows_no_secret(wrong: str, shown: str) -> None:
    """What is refused is told by scheme and host: a password or a key does not get into a log."""
    with pytest.raises(ConfigurationError) as caught:
        gateway_for(wrong)
    assert shown in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("chanhub", ": did you mean chainhub?"),
        ("Klign", ": did you mean kling?"),
        ("127.0.0.1:8904", ": write http://127.0.0.1:8904"),
        ("localhost", ": write http://localhost"),
        ("api.example.com", ": write https://api.example.com"),
        ("http://127.0.0.1:8904/kling/v1/videos", "appended: write http://127.0.0.1:8904"),
        ("https://api.example.com/kling/v1/", "appended: write https://api.example.com"),
        ("https://api.example.com/secret/v1/videos/advanced-lip-sync", "which is appended"),
    ],
)
def test_a_slip_is_told_with_what_to_write(given: str, told: str) -> None:
    """A name that is nearly one, an address without its scheme, or with the route behind it."""
    with pytest.raises(ConfigurationError) as caught:
        gateway_for(given)
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize(
    "given", ["https://api.example.com/v1", "https://api.example.com/kling", "http://x.example/videos"]
)
def test_a_path_that_may_be_meant_is_taken(given: str) -> None:
    """A proxy may lie under any path."""
    assert gateway_for(given).base_url == given


@pytest.mark.parametrize(
    "key", ["eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c", "sk-abc"]
)
def test_a_key_in_the_place_of_a_name_is_not_shown(key: str) -> None:
    """Nor any part of it."""
    with pytest.raises(ConfigurationError) as caught:
        gateway_for(key)
    assert str(caught.value).endswith("nor a URL")
