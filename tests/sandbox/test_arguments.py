"""Options of a wrong type, told as the library tells of its own settings."""

from __future__ import annotations

import pytest

from lipsync_async.errors import WrongArgumentError
from lipsync_async.sandbox import Sandbox


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("session_seconds", "x", "a number, not the text 'x'"),
        ("session_seconds", None, "a number, not None"),
        ("latency", float("nan"), "a number, not nan"),
        ("time_scale", True, "a number, not True"),
        ("balance", "5", "a number or None, not the text '5'"),
        ("seed", 1.5, "a whole number, not 1.5"),
        ("max_running_tasks", True, "a whole number or None, not True"),
        ("no_list", 1, "True or False, not 1"),
        ("api_key", b"k", "a text, not a bytes"),
        ("task_seconds", 0.1, r"two numbers, such as \(60, 180\), not 0.1"),
        ("task_seconds", (1.0, 2.0, 3.0), r"two numbers, such as \(60, 180\), not a tuple"),
        ("task_seconds", (1.0, "2"), "two numbers"),
        ("faults", ["slow"], "a dict of chances, such as {'slow': 0.1} or None, not a list"),
        ("faults", {"slow": "often"}, "a dict of chances"),
        ("callback_secrets", "whsec_x", "texts in a tuple, not the text"),
        ("callback_secrets", (1,), "texts in a tuple"),
        ("ledger_path", 1, "a path or None, not 1"),
        ("clock", 1, "a function, not 1"),
    ],
)
def test_an_option_of_another_type_is_told_in_plain_words(option: str, value: object, told: str) -> None:
    """As the library tells of its own settings."""
    with pytest.raises(WrongArgumentError, match=f"^Sandbox.{option} must be {told}"):
        Sandbox(**{option: value})  # type: ignore[arg-type]


def test_options_may_be_numbers_of_any_kind() -> None:
    """Whole ones for seconds, and a list for a pair."""
    assert Sandbox(latency=1, task_seconds=[1, 2], session_seconds=float("inf")).latency == 1  # type: ignore[arg-type]


def test_lives_of_another_type_are_told_while_it_runs() -> None:
    """Nothing is changed."""
    sandbox = Sandbox()
    for wrong in ({"task_seconds": 3}, {"failed_share": "all"}):
        with pytest.raises(WrongArgumentError, match="must be"):
            sandbox.set_lives(**wrong)
