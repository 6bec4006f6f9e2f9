"""Jobs that lack something, in virtual time, beside a maker whose every answer is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from attrs import evolve

from lipsync_async import Facts, LipSyncRequest, RunOptions, VideoSource
from lipsync_async.dispatch.missing import Made, Missing
from lipsync_async.dispatch.run import Run
from lipsync_async.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from lipsync_async.terms import Kind, Reply
from tests.dispatch.helpers import LOST, MADE, Wire, account_at
from tests.makers import request
from tests.simulation.virtual import run

GONE = Reply(status=400, code=1201, parsed=True, message="session not found")
BAD = Reply(status=400, code=1201, parsed=True, message="the image is too dark")


def made(number: int) -> Reply:
    """A task of its own for each job."""
    return Reply(status=200, success=True, parsed=True, task_id=f"task-{number}")


def lacking(name: str, video: str = "a") -> LipSyncRequest:
    """A job that has no session yet."""
    return request(name, session_id="", source=VideoSource(video_id=video, face="0"))


class Maker:
    """Opens a session for a video when it is told to, or fails as it is told."""

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        self.failures: dict[str, Missing] = {}
        self.facts: Facts | None = None
        self.waiting: dict[str, list[Callable[[], None]]] = {}
        self.spoiled: list[str] = []
        self.good: list[str] = []
        self.spoils = True
        self.stopped = self.closed = False

    uploads = False

    def concerns(self, wanted: LipSyncRequest) -> bool:
        """Those with a source."""
        return wanted.source is not None

    def make(self, wanted: LipSyncRequest, ready: Callable[[], None]) -> Made | Missing | None:
        """By the video's name."""
        assert wanted.source is not None
        name = str(wanted.source.video_id)
        if name in self.failures:
            return self.failures[name]
        if wanted.session_id and wanted.session_id not in self.spoiled:
            return Made(request=wanted)
        if name in self.sessions:
            return Made(request=evolve(wanted, session_id=self.sessions[name]), facts=self.facts)
        self.waiting.setdefault(name, []).append(ready)
        return None

    def open(self, name: str, session: str) -> None:
        """It is there."""
        self.sessions[name] = session
        for call in self.waiting.pop(name, []):
            call()

    def spoil(self, wanted: LipSyncRequest) -> bool:
        """Another session is there at once."""
        self.spoiled.append(wanted.session_id)
        assert wanted.source is not None
        self.sessions[str(wanted.source.video_id)] = f"{wanted.session_id}+"
        return self.spoils

    def proven(self, wanted: LipSyncRequest) -> None:
        """Noted."""
        self.good.append(wanted.session_id)

    def stop(self) -> None:
        """Noted."""
        self.stopped = True

    def abort(self) -> None:
        """Nothing is under way."""

    async def aclose(self, grace: float) -> None:
        """Noted."""
        self.closed = True


Told = dict[str, Outcome]


def play(
    jobs: list[LipSyncRequest],
    maker: Maker,
    *replies: Reply | object,
    during: Callable[[Run, Told], None] | None = None,
    options: RunOptions | None = None,
    window: int = 4,
) -> tuple[Told, Wire]:
    """All outcomes; `during` is called when nothing moves any more."""
    told: Told = {}

    async def main() -> Wire:
        wire = Wire(*(replies or (made(number) for number in range(len(jobs)))))
        batch = Run(
            account_at(wire),
            jobs,
            lambda job, outcome: told.update({job.id: outcome}),
            window=window,
            options=options,
            maker=maker,
        )
        workers = batch.start()
        if during is not None:
            await asyncio.sleep(1.0)
            during(batch, told)
        await asyncio.wait(workers)
        batch.finish()
        for worker in workers:
            worker.result()
        batch.check()
        return wire

    return told, run(main())


def test_a_slow_video_holds_up_no_other_job() -> None:
    """Hundreds of its lines come first, and the window is four; all others are sent meanwhile."""
    jobs = [lacking(f"slow-{number}", "slow") for number in range(200)] + [lacking(f"quick-{n}") for n in range(10)]
    maker = Maker()
    maker.open("a", "86")

    def check(_: Run, told: Told) -> None:
        assert sorted(told) == sorted(f"quick-{n}" for n in range(10))
        maker.open("slow", "87")

    told, wire = play(jobs, maker, during=check)
    assert len(told) == len(wire.creates) == 210
    assert {it.name for it in told.values()} == {"accepted"}
    assert set(maker.good) == {"86", "87"}


def test_a_job_is_checked_when_its_session_is_there() -> None:
    """What the session tells counts, and its violation rejects that job, before anything is sent."""
    maker = Maker()
    maker.open("a", "86")
    maker.facts = Facts(video_length=6000)
    good = lacking("good")
    (face,) = good.face_choose
    late = evolve(good, external_task_id="late", face_choose=[evolve(face, sound_insert_time=2000)])
    told, wire = play([good, late], maker)
    assert isinstance(told["good"], Accepted)
    rejected = told["late"]
    assert isinstance(rejected, Rejected)
    assert [it.rule for it in rejected.violations] == ["past_video_end"]
    assert wire.creates == ["good"]


@pytest.mark.parametrize("rejects", [True, False])
def test_what_cannot_be_made(rejects: bool) -> None:
    """It rejects its jobs, or leaves them unsent; the others go."""
    maker = Maker()
    maker.open("a", "86")
    maker.failures["b"] = Missing(kind=Kind.NO_FACE, message="no face", rejected=rejects)
    told, wire = play([lacking("one", "b"), lacking("two")], maker)
    assert isinstance(told["one"], Rejected if rejects else NotSent)
    assert isinstance(told["two"], Accepted)
    assert wire.creates == ["two"]


def test_what_ends_the_batch_ends_it() -> None:
    """A cap that is reached: nothing more is sent, and whatever waits comes out."""
    maker = Maker()
    jobs = [lacking("waits", "slow"), lacking("dear", "b")]
    maker.failures["b"] = Missing(kind=Kind.QUOTA, message="too dear", ends_batch=True)
    told, wire = play(jobs, maker)
    assert {(type(it), it.kind) for it in told.values() if isinstance(it, NotSent)} == {(NotSent, Kind.QUOTA)}
    assert (len(told), wire.creates, maker.stopped) == (2, [], True)


def test_a_stop_takes_jobs_off_the_shelf() -> None:
    """They were never sent, and say so."""
    maker = Maker()

    def stop(batch: Run, _: Told) -> None:
        from lipsync_async.dispatch.streaming import STOPPED

        batch.stop(STOPPED)

    told, wire = play([lacking(f"job-{n}") for n in range(9)], maker, during=stop)
    assert [type(it) for it in told.values()] == [NotSent] * 9
    assert wire.creates == []


def test_a_session_that_died_is_replaced_under_the_same_id() -> None:
    """The refusal costs a try, and no other job's; the next session is used at once."""
    maker = Maker()
    maker.open("a", "86")
    told, wire = play([lacking("one")], maker, GONE, MADE)
    accepted = told["one"]
    assert isinstance(accepted, Accepted)
    assert (accepted.attempts, wire.creates, maker.spoiled) == (2, ["one", "one"], ["86"])


@pytest.mark.parametrize(("spoils", "tries"), [(True, 4), (False, 1)])
def test_dying_sessions_come_to_an_end(spoils: bool, tries: int) -> None:
    """Three may die under a job; a fourth, or a maker that gives up, rejects it in the gateway's words."""
    maker = Maker()
    maker.open("a", "86")
    maker.spoils = spoils
    told, wire = play([lacking("one")], maker, GONE)
    rejected = told["one"]
    assert isinstance(rejected, Rejected)
    assert (rejected.message, len(wire.creates)) == ("session not found", tries)


def test_other_refusals_are_the_jobs_own() -> None:
    """Only a session that died is replaced."""
    maker = Maker()
    maker.open("a", "86")
    told, wire = play([lacking("one")], maker, BAD)
    assert isinstance(told["one"], Rejected)
    assert (wire.creates, maker.spoiled) == (["one"], [])


def test_a_job_without_a_video_is_not_helped_by_another_session() -> None:
    """Nobody knows what its session was opened for."""
    maker = Maker()
    told, wire = play([request("one")], maker, GONE)
    assert isinstance(told["one"], Rejected)
    assert (wire.creates, maker.spoiled) == (["one"], [])


def test_a_job_in_doubt_stays_in_doubt_whatever_is_missing() -> None:
    """It was sent, and no answer came; that nothing can be made for it any more does not clear it."""
    maker = Maker()
    maker.open("a", "86")
    first = maker.make

    def fail_later(wanted: LipSyncRequest, ready: Callable[[], None]) -> Made | Missing | None:
        found = first(wanted, ready)
        maker.failures["a"] = Missing(kind=Kind.NO_FACE, message="no face", rejected=True)
        return found

    maker.make = fail_later  # type: ignore[method-assign]
    told, wire = play([lacking("one")], maker, LOST, options=RunOptions(ambiguous="resend"))
    assert isinstance(told["one"], Unknown)
    assert wire.creates == ["one"]


def test_without_a_maker_a_job_that_lacks_something_is_at_fault() -> None:
    """As it was: nothing would ever make it."""

    async def main() -> Outcome:
        told: list[Outcome] = []
        batch = Run(account_at(Wire(MADE)), [lacking("one")], lambda _, outcome: told.append(outcome), window=1)
        workers = batch.start()
        await asyncio.wait(workers)
        batch.finish()
        return told[0]

    outcome = run(main())
    assert isinstance(outcome, Rejected)
    assert [it.rule for it in outcome.violations] == ["not_identified"]
