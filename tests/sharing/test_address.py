"""Addresses of stores, and the names of accounts in them."""

from __future__ import annotations

import pytest

from lipsync_async import CHAINHUB
from lipsync_async.errors import ConfigurationError
from lipsync_async.sharing.address import account_name, store_at

KEY = "sk-0123456789-secret"


def test_a_file_may_be_written_in_three_ways() -> None:
    """As a URL with an empty host, with a host, and short."""
    for address in ("file:/run/lipsync", "file:///run/lipsync", "file://localhost/run/lipsync"):
        assert str(store_at(address, CHAINHUB, KEY)) == "file:/run/lipsync"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "lipsync",
        "/run/lipsync",
        "file:",
        "file://host/run",
        "file:/run/x?mode=ro",
        "http://user:pw@host/",
        "pg://x",
    ],
)
def test_what_means_no_store_is_refused(address: str) -> None:
    """The error shows no password."""
    with pytest.raises(ConfigurationError, match="shared=") as caught:
        store_at(address, CHAINHUB, KEY)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/run/lipsync", "shared='/run/lipsync' is no store of limits: write file:/run/lipsync"),
        ("lipsync", "shared='lipsync' is no store of limits: it begins with file: or redis://"),
        ("http://user:pw@host/", "shared=http:... is no store of limits: it begins with file: or redis://"),
    ],
)
def test_a_path_without_a_scheme_is_told_how_to_write_it(address: str, said: str) -> None:
    """It is shown as it was given, and what may hold a password is not."""
    with pytest.raises(ConfigurationError) as caught:
        store_at(address, CHAINHUB, KEY)
    assert str(caught.value) == said


def test_an_account_is_a_gateway_and_a_key_and_does_not_show_it() -> None:
    """Another key and another gateway are other accounts."""
    name = account_name(CHAINHUB, KEY)
    assert KEY not in name
    assert "secret" not in name
    assert name == account_name(CHAINHUB, KEY)
    assert name != account_name(CHAINHUB, KEY + "x")
    assert name != account_name(CHAINHUB.at("https://other.example"), KEY)
    assert account_name(CHAINHUB, lambda: KEY) == account_name(CHAINHUB, lambda: "another")


def test_an_account_may_have_a_name_of_its_own() -> None:
    """Two keys are one account then."""
    one, two = (store_at("file:/run/lipsync?account=team", CHAINHUB, key) for key in (KEY, "another"))
    assert vars(one)["_account"] == vars(two)["_account"] != account_name(CHAINHUB, KEY)
