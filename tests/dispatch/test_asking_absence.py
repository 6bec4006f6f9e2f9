"""One look-up of a job in doubt, alone: what a not-found proves, and what comes after the proof."""

from __future__ import annotations

from typing import Any

import pytest

from lipsync_async import RetryPolicy, RunOptions
from lipsync_async.dispatch.asking import EXAMINATION, WITNESS_LOOKS
from lipsync_async.dispatch.brake import Stop
from lipsync_async.dispatch.lookup import MAX_FAILURES
from lipsync_async.dispatch.steps import ASK, End, Park
from lipsync_async.outcomes import NotSent, Rejected, Unknown
from lipsync_async.terms import Kind
from lipsync_async.wire import TaskReply
from tests.dispatch.doubtful import EXISTS, WITNESS, ask, asked_at, doubtful, knows_witness
from tests.dispatch.helpers import (
    BROKEN,
    GATEWAY_SAYS_NONE,
    LOST,
    NO_ROUTE,
    NO_SUCH_TASK,
    Jobbook,
    Wire,
    batch_at,
    play,
    task,
)

# --- not found ------------------------------------------------------------------------------------------------------


def test_three_not_founds_without_trust_leave_it_unknown() -> None:
    """Within fifteen seconds; nobody is there to vouch for the gateway."""

    async def story() -> None:
        batch = batch_at(Wire())
        steps = await asked_at(batch, await doubtful(batch), 1001.0, 1005.0, 1015.0)
        assert steps[:2] == [Park(1005.0), Park(1015.0)]
        assert isinstance(steps[2], End)
        assert isinstance(steps[2].outcome, Unknown)

    play(story)


def test_the_users_word_lets_three_not_founds_prove_absence() -> None:
    """The job may be sent again, and its next attempt is written down as a new one."""

    async def story() -> None:
        jobbook = Jobbook()
        batch = batch_at(Wire(), jobbook=jobbook)
        batch.account.trust.told = True
        job = await doubtful(batch)
        assert await asked_at(batch, job, 1002.0, 1030.0, 1060.0) == [Park(1030.0), Park(1060.0), Park(1060.0)]
        assert (job.inquiry, job.doubtful, job.resumed) == (None, True, False)
        assert jobbook.notes == ["met job-1"] * 3 + ["cleared job-1"]

    play(story)


@pytest.mark.parametrize(
    ("answer", "mark"), [(GATEWAY_SAYS_NONE, None), (NO_SUCH_TASK, b"another"), (BROKEN, None), (NO_ROUTE, None)]
)
def test_the_users_word_is_for_the_platforms_words_and_the_present_key_alone(
    answer: TaskReply, mark: bytes | None
) -> None:
    """A gateway's own words, another account's key and a framework's 404 prove nothing all the same."""

    async def story() -> None:
        batch = batch_at(Wire(otherwise=answer))
        batch.account.trust.told = True
        job = await doubtful(batch)
        assert job.inquiry is not None
        job.inquiry.mark = mark or job.inquiry.mark
        steps = await asked_at(batch, job, *(1100.0 + 100.0 * number for number in range(MAX_FAILURES)))
        assert all(isinstance(step, Park) for step in steps[:-1])
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)

    play(story)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_task_is_asked_for_plainly_first(trusted: bool) -> None:
    """Where its plain address finds it, it is found; what is not found there, a cache may have said."""

    async def story() -> None:
        wire = Wire(found=WITNESS if trusted else {})
        batch = batch_at(wire)
        job = await doubtful(batch, asked_plainly=False)
        if trusted:
            knows_witness(batch)
        await ask(batch, job, 1002.0)
        assert job.inquiry is not None
        assert (job.inquiry.not_founds, job.inquiry.asked) == (0, 1)
        assert not wire.urls[0].query
        await ask(batch, job, 1005.0)
        assert job.inquiry.not_founds == int(trusted)
        assert [url.path.rpartition("/")[2] for url in wire.urls if not url.query] == ["job-1"]

    play(story)


def test_a_witness_beside_it_makes_a_not_found_count() -> None:
    """It is asked for right after, each time, twice: half of the machines may not know what the others do."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        job = await doubtful(batch)
        knows_witness(batch)
        await asked_at(batch, job, 1002.0, 1030.0)
        assert job.inquiry is not None
        assert job.inquiry.not_founds == 2
        assert await ask(batch, job, 1060.0) == Park(1060.0)
        assert job.inquiry is None
        looks, examination = ["job-1", *["witness"] * WITNESS_LOOKS], ["job-1", "witness"]
        assert wire.asked == looks * 3 + examination * EXAMINATION

    play(story)


def test_a_gateways_own_words_count_beside_a_witness() -> None:
    """As the platform's do."""

    async def story() -> None:
        batch = batch_at(Wire(found=WITNESS, otherwise=GATEWAY_SAYS_NONE))
        job = await doubtful(batch)
        knows_witness(batch)
        await asked_at(batch, job, 1002.0, 1030.0, 1060.0)
        assert job.inquiry is None

    play(story)


@pytest.mark.parametrize("found_first", [True, False])
def test_a_witness_that_is_not_found_ends_the_trust(found_first: bool) -> None:
    """Also where only the second look does not find it: from then on no not-found counts."""

    async def story() -> None:
        answers = [task("witness", "task-0"), NO_SUCH_TASK] if found_first else [NO_SUCH_TASK]
        batch = batch_at(Wire(found={"witness": list(answers)}))
        job = await doubtful(batch)
        knows_witness(batch)
        steps = await asked_at(batch, job, 1002.0, 1030.0, 1060.0)
        assert batch.account.trust.ended
        assert not batch.account.trust.holds
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)

    play(story)


@pytest.mark.parametrize("witness", [NO_SUCH_TASK, BROKEN, LOST, task("witness", "task-of-another")])
def test_a_witness_that_is_young_or_cannot_be_asked_for_is_waited_for(witness: Any) -> None:
    """It may not be stored yet: the not-found counts neither way, and the trust is as it was."""

    async def story() -> None:
        batch = batch_at(Wire(found={"witness": witness}))
        job = await doubtful(batch)
        knows_witness(batch, at=1000.0)
        batch.account.trust.proven = True
        assert await ask(batch, job, 1002.0) == Park(1004.0)
        assert job.inquiry is not None
        assert (job.inquiry.failures, job.inquiry.asked, batch.account.trust.ended) == (1, 0, False)

    play(story)


def test_where_nothing_was_ever_found_three_looks_are_enough() -> None:
    """A young witness that is not found gives no trust, and does not draw the question out."""

    async def story() -> None:
        batch = batch_at(Wire())
        job = await doubtful(batch)
        knows_witness(batch, at=1000.0)
        steps = await asked_at(batch, job, 1001.0, 1005.0, 1015.0)
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)

    play(story)


def test_a_witness_of_the_present_key_does_not_speak_for_another() -> None:
    """The intent was made with an account that this key may know nothing of."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        batch.account.trust.proven = True
        job = await doubtful(batch, mark=b"another")
        knows_witness(batch)
        steps = await asked_at(batch, job, *(1100.0 + 100.0 * number for number in range(MAX_FAILURES)))
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Unknown)
        assert "witness" not in wire.asked

    play(story)


def test_a_witness_of_the_other_key_that_is_found_shows_that_both_are_one_account() -> None:
    """Then a not-found counts."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        job = await doubtful(batch, mark=b"another")
        batch.account.trust.remember(b"another", "witness", "task-0")
        await asked_at(batch, job, 1002.0, 1030.0, 1060.0)
        assert job.inquiry is None

    play(story)


def test_nothing_is_absent_while_the_gateway_may_still_be_working_on_it() -> None:
    """The user's word or a witness makes no difference to a request that goes on."""

    async def story() -> None:
        batch = batch_at(Wire(found=WITNESS))
        job = await doubtful(batch, held_until=1120.0)
        knows_witness(batch)
        await asked_at(batch, job, 1002.0, 1030.0, 1060.0, 1119.0)
        assert job.inquiry is not None
        assert job.inquiry.not_founds == 0
        await asked_at(batch, job, 1120.0, 1130.0, 1140.0)
        assert job.inquiry is None

    play(story)


def test_a_name_is_asked_for_without_a_witness() -> None:
    """The task that has the id cannot be found: it exists all the same."""

    async def story() -> None:
        wire = Wire(found=WITNESS)
        batch = batch_at(wire)
        job = await doubtful(batch, EXISTS, owned=False)
        knows_witness(batch)
        steps = await asked_at(batch, job, 1001.0, 1005.0, 1015.0)
        assert isinstance(steps[-1], End)
        assert isinstance(steps[-1].outcome, Rejected)
        assert (steps[-1].outcome.kind, steps[-1].outcome.found_task_id) == (Kind.ALREADY_EXISTS, None)
        assert "witness" not in wire.asked

    play(story)


# --- proven absent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "resumed", "look_only", "ends"),
    [(1, False, False, False), (2, False, False, True), (2, True, False, False), (1, False, True, True)],
    ids=["one of two", "two of two", "an earlier run's", "sends nothing"],
)
def test_a_job_that_is_absent_is_sent_again_while_it_may_be(
    attempts: int, resumed: bool, look_only: bool, ends: bool
) -> None:
    """An earlier run's attempts do not use up those of this one."""

    async def story() -> None:
        batch = batch_at(retry=RetryPolicy(max_attempts=2), options=RunOptions(look_only=look_only), wire=Wire())
        batch.account.trust.told = True
        job = await doubtful(batch)
        job.attempts, job.resumed = attempts, resumed
        step = (await asked_at(batch, job, 1002.0, 1030.0, 1060.0))[-1]
        assert isinstance(step, End if ends else Park)
        if isinstance(step, End):
            assert isinstance(step.outcome, NotSent)
            assert step.write

    play(story)


def test_a_batch_that_was_stopped_meanwhile_sends_nothing_again() -> None:
    """The look-up is not used up: the job comes out in doubt."""

    async def story() -> None:
        batch = batch_at(Wire())
        batch.account.trust.told = True
        job = await doubtful(batch)
        await asked_at(batch, job, 1002.0, 1030.0)
        batch.stopped = Stop(Kind.CANCELLED, "enough")
        assert await ask(batch, job, 1060.0) is ASK
        assert job.inquiry is not None

    play(story)
