"""A builder in a generator: one bad voice is told, and does not end it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lipsync_async import InvalidRequestError, LipSyncClient, LipSyncRequest, RequestBuilder
from lipsync_async.sandbox import Sandbox
from tests.loopback.hurried import hurry

GOOD = RequestBuilder().session("s").face("0").audio_id("a").window(0, 5000)
BAD = GOOD.window(0, 10).external_task_id("bad")


def test_a_good_one_is_built_either_way() -> None:
    """All three give the same request, and the hook is not called."""
    told: list[InvalidRequestError] = []
    made = GOOD.build_or_violations()
    assert made == GOOD.build() == GOOD.build(on_invalid=told.append)
    assert isinstance(made, LipSyncRequest)
    assert made.checked == GOOD.build().checked
    assert not told


def test_a_bad_one_is_told_and_not_raised() -> None:
    """With the errors that `build` raises, and no warnings."""
    with pytest.raises(InvalidRequestError) as caught:
        BAD.build()
    faults = BAD.build_or_violations()
    assert isinstance(faults, tuple)
    assert faults == tuple(caught.value.violations)
    assert {fault.severity for fault in faults} == {"error"}
    told: list[InvalidRequestError] = []
    assert BAD.build(on_invalid=told.append) is None
    assert [error.external_task_id for error in told] == ["bad"]
    assert tuple(told[0].violations) == faults
    assert str(told[0]) == str(caught.value)


def test_what_the_hook_raises_is_raised() -> None:
    """So a caller may still give up."""

    def give_up(error: InvalidRequestError) -> None:
        raise error

    with pytest.raises(InvalidRequestError):
        BAD.build(on_invalid=give_up)


def test_one_bad_voice_does_not_end_a_stream() -> None:
    """All others are submitted."""
    told: list[InvalidRequestError] = []

    def jobs() -> Iterator[LipSyncRequest]:
        for number in range(6):
            voice = GOOD.external_task_id(f"job-{number}") if number != 2 else BAD
            if (job := voice.build(on_invalid=told.append)) is not None:
                yield job

    async def main() -> list[str]:
        async with (
            Sandbox() as sandbox,
            LipSyncClient(sandbox.base_url, api_key=sandbox.api_key) as client,
            client.stream(jobs()) as outcomes,
        ):
            return [outcome.external_task_id async for outcome in outcomes if outcome.name == "accepted"]

    assert sorted(hurry(main())) == ["job-0", "job-1", "job-3", "job-4", "job-5"]
    assert [error.external_task_id for error in told] == ["bad"]
