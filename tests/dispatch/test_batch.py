"""What the rooms of one run share: above all, where its jobs claim their ids."""

from __future__ import annotations

from lipsync_async.dispatch.job import Job
from tests.dispatch.helpers import Jobbook, batch_at, job_of
from tests.simulation.virtual import run


def test_an_id_is_claimed_with_the_client_and_with_the_journal() -> None:
    """And given back to both."""

    async def story() -> None:
        jobbook, job = Jobbook(), job_of()
        batch = batch_at(jobbook=jobbook)
        assert batch.claim(job) is None
        assert job.claimed
        assert [registry.has(job) for registry in batch.registries] == [True, True]
        batch.release(job)
        assert [registry.under_way for registry in batch.registries] == [0, 0]

    run(story())


def test_an_id_that_another_client_of_the_journal_has_is_claimed_nowhere() -> None:
    """Who has it is told, and this client's own registry is as it was."""

    async def story() -> None:
        jobbook, first, second = Jobbook(), job_of(), job_of()
        assert batch_at(jobbook=jobbook).claim(first) is None
        ours = batch_at(jobbook=jobbook)
        assert ours.claim(second) is first
        assert (second.claimed, ours.account.registry.under_way) == (False, 0)
        assert jobbook.registry.has(first)

    run(story())


def test_without_a_journal_clients_do_not_know_each_other() -> None:
    """Each has its own ids."""

    async def story() -> None:
        jobs: list[Job] = [job_of(), job_of()]
        assert [batch_at().claim(job) for job in jobs] == [None, None]

    run(story())
