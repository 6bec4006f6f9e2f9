"""Jobs that name videos and texts, over real sockets in virtual time: each is made once, and once more if it must."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lipsync_async import Limits, LipSyncClient, LipSyncRequest, RequestBuilder, RunOptions
from lipsync_async.dispatch.account import Event
from lipsync_async.errors import JournalError
from lipsync_async.journal import Entry, InlineJournal, Journal, Reader
from lipsync_async.outcomes import Accepted, NotSent, Rejected, Unknown
from lipsync_async.sandbox import Sandbox
from lipsync_async.sources.resolving import SESSION, SPEECH, Kept
from lipsync_async.sources.sourcebook import Sourcebook, read_kept
from lipsync_async.terms import Kind
from tests.loopback.hurried import hurry
from tests.makers import wav

SOUND = wav(3.0)
T = TypeVar("T")


def url(video: int, signature: str = "1") -> str:
    """Of a video, signed."""
    return f"https://films.example/{video}.mp4?X-Amz-Signature={signature}"


def job(number: int, video: int = 0, face: str = "first", signature: str = "1", **changes: Any) -> LipSyncRequest:
    """A job of a video, with an id of its own content."""
    return RequestBuilder().video(url(video, signature), face=face).audio_bytes(SOUND).window(insert=number).build()


def spoken(number: int, text: str, video: int = 0) -> LipSyncRequest:
    """A job that speaks."""
    return RequestBuilder().video(url(video)).text(text, "voice").external_task_id(f"words-{number}").build()


def live(
    act: Callable[[Sandbox, Callable[..., LipSyncClient]], Awaitable[T]], *, later: float = 0.0, **options: Any
) -> T:
    """What `act` makes of a sandbox and of clients for it."""

    async def main() -> T:
        async with Sandbox(check_ids=True, **options) as sandbox:

            def client(**more: Any) -> LipSyncClient:
                return LipSyncClient(sandbox.base_url, api_key=sandbox.api_key, **more)

            return await act(sandbox, client)

    return hurry(main())


def kept_of(journal: Path, kind: str = SESSION) -> list[Kept]:
    """What a journal holds of videos, or of texts."""
    with Reader(journal) as reader:
        return [kept for entry in reader.entries(kind) if (kept := read_kept(entry)) is not None]


def created(sandbox: Sandbox) -> int:
    """Creates that were accepted; none of them twice."""
    assert not sandbox.ledger.duplicates
    return sandbox.ledger.tasks


JOBS = [job(number, number % 3) for number in range(30)]


@pytest.mark.parametrize("with_journal", [True, False])
def test_each_video_is_identified_once(tmp_path: Path, with_journal: bool) -> None:
    """Once a journal, or once a client without one, whatever calls the jobs come by."""
    journal = tmp_path / "run.db" if with_journal else None

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client() as one:
            first = await one.submit_many(JOBS, journal=journal)
            assert (len(first.accepted), created(sandbox)) == (30, 30)
            async with one.stream([job(100 + n, n % 3) for n in range(6)], journal=journal) as outcomes:
                assert [it.name async for it in outcomes] == ["accepted"] * 6
            assert isinstance(await one.submit(job(200), journal=journal), Accepted)
        assert sorted(sandbox.ledger.identified.values()) == [1, 1, 1]

    live(act)


def test_a_journal_is_remembered_by_other_clients(tmp_path: Path) -> None:
    """And says what was made: one call a video, what it was charged, the faces."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        for number in (0, 50):
            async with client() as one:
                result = await one.submit_many([job(number), job(number + 1)], journal=tmp_path / "run.db")
                assert len(result.accepted) == 2
        assert list(sandbox.ledger.identified.values()) == [1]

    live(act)
    (kept,) = kept_of(tmp_path / "run.db")
    assert (kept.state, kept.calls, kept.cut_off, kept.told) == ("done", 1, 0, 1)
    assert kept.charged == pytest.approx(0.05)
    assert [face.face_id for face in kept.faces] == ["0"]


def test_what_was_accepted_needs_no_session_any_more(tmp_path: Path) -> None:
    """A day later, with every URL signed anew, the list is told again: no call at all is made."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client() as one:
            await one.submit_many(JOBS, journal=tmp_path / "run.db")
        calls = (sandbox.ledger.requests, len(sandbox.ledger.preparations))
        async with client() as one:
            make_later(one, 25 * 3600.0)
            again = [job(number, number % 3, signature="2") for number in range(30)]
            result = await one.submit_many(again, journal=tmp_path / "run.db")
        assert len(result.accepted) == 30
        assert all(it.replayed for it in result.accepted.values())
        assert (sandbox.ledger.requests, len(sandbox.ledger.preparations)) == calls
        assert created(sandbox) == 30

    live(act)


def make_later(client: LipSyncClient, seconds: float) -> None:
    """The clock on the wall goes forward."""
    account = client._ready()
    before = account.wall_clock
    account.wall_clock = lambda: before() + seconds


def test_a_session_is_not_used_after_a_day(tmp_path: Path) -> None:
    """A second before it is, and then the video is identified once more."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> list[int]:
        calls = []
        for number, later in enumerate((0.0, 24 * 3600.0 - 100, 24 * 3600.0 + 100)):
            async with client() as one:
                make_later(one, later)
                assert len((await one.submit_many([job(number)], journal=tmp_path / "run.db")).accepted) == 1
            calls.append(sum(sandbox.ledger.identified.values()))
        return calls

    assert live(act) == [1, 1, 2]


def test_a_session_that_dies_in_mid_batch(tmp_path: Path) -> None:
    """Its jobs are sent again under their ids in another one; each is paid once."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        told: list[Event] = []

        def kill(event: Event) -> None:
            if event.name != "outcome":
                return
            told.append(event)
            if len(told) == 5:
                sandbox._state.sessions.kill(sandbox._state.clock())

        async with client(observer=kill, limits=Limits(max_in_flight=3)) as one:
            result = await one.submit_many(JOBS, journal=tmp_path / "run.db")
        assert [str(it) for it in result.values() if not isinstance(it, Accepted)] == []
        assert (len(result.accepted), created(sandbox)) == (30, 30)
        assert set(sandbox.ledger.identified.values()) <= {1, 2}
        assert max(sandbox.ledger.identified.values()) == 2

    live(act, latency=0.05)
    assert {kept.state for kept in kept_of(tmp_path / "run.db")} == {"done"}
    assert max(kept.calls for kept in kept_of(tmp_path / "run.db")) == 2


def test_sessions_that_no_create_knows_end_as_rejections() -> None:
    """Where each session is said to have died at once, three more are paid for, and no other."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client() as one:
            result = await one.submit_many([job(number) for number in range(30)])
        assert {it.attempts for it in result.rejected.values()} <= {1, 2, 3, 4}
        assert len(result.rejected) >= 20  # then the batch is stopped, for all reject alike
        assert len(result.rejected) + len(result.not_sent) == 30
        assert sum(sandbox.ledger.identified.values()) == 4

    live(act, foreign_share=1.0)


def test_a_lost_reply_is_made_once_more(tmp_path: Path) -> None:
    """Once a run; where that is lost as well, the jobs are not sent, and the next run makes one call more."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client() as one:
            result = await one.submit_many([job(0), job(1)], journal=tmp_path / "run.db")
        assert [type(it) for it in result.values()] == [NotSent, NotSent]
        assert "may have been charged" in next(iter(result.not_sent.values())).message
        assert sum(sandbox.ledger.identified.values()) == 2
        sandbox._state.prepare_faults.set({})
        async with client() as one:
            result = await one.submit_many([job(0), job(1)], journal=tmp_path / "run.db")
        assert len(result.accepted) == created(sandbox) == 2
        assert sum(sandbox.ledger.identified.values()) == 3

    live(act, prepare_faults={"lose_reply": 1.0})
    (kept,) = kept_of(tmp_path / "run.db")
    assert (kept.calls, kept.cut_off) == (3, 2)


def test_who_wants_reports_is_asked_before_a_second_call() -> None:
    """`ambiguous="report"`: a lost reply is told, and nothing is made again."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client() as one:
            result = await one.submit_many([job(0)], options=RunOptions(ambiguous="report"))
        assert len(result.not_sent) == sum(sandbox.ledger.identified.values()) == 1

    live(act, prepare_faults={"lose_reply": 1.0})


@pytest.mark.parametrize("kept", [Kept(state="open", calls=1), Kept(state="task", task_id="7", calls=1)])
def test_a_call_that_a_kill_cut_off(tmp_path: Path, kept: Kept) -> None:
    """It is made once more, and the journal says so; one that is a task is too old to be waited for."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with await Journal.open(tmp_path / "run.db", gateway=sandbox.base_url) as journal:
            await Sourcebook(journal).keep((SESSION, "url:https://films.example/0.mp4"), kept)
        async with client() as one:
            result = await one.submit_many([job(0)], journal=tmp_path / "run.db")
        assert len(result.accepted) == created(sandbox) == sum(sandbox.ledger.identified.values()) == 1

    live(act)
    (now,) = kept_of(tmp_path / "run.db")
    assert (now.state, now.calls, now.cut_off) == ("done", 2, 1)


def test_a_task_that_was_left_is_waited_for_and_not_paid_again(tmp_path: Path) -> None:
    """The gateway answers with a task; the run is stopped, and the next one waits for the same."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with await InlineJournal.open(tmp_path / "run.db", gateway=sandbox.base_url) as journal:
            async with client() as one, one.stream([job(0)], journal=journal):
                await asyncio.sleep(2.0)
            assert [entry.state for entry in journal.reader.entries(SESSION)] == ["task"]
            async with client() as one:
                result = await one.submit_many([job(0)], journal=journal)
        assert len(result.accepted) == created(sandbox) == sum(sandbox.ledger.identified.values()) == 1

    moment = iter(range(10**9))
    live(act, identify_tasks=True, identify_seconds=60.0, clock=lambda: float(next(moment)))


def test_no_face_is_found_once(tmp_path: Path) -> None:
    """The jobs of that video are rejected, in later runs without a call; `retry_rejected` looks again."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> list[int]:
        calls = []
        for again in (False, False, True):
            async with client() as one:
                options = RunOptions(retry_rejected=again)
                result = await one.submit_many([job(0), job(1)], journal=tmp_path / "run.db", options=options)
            assert {it.kind for it in result.rejected.values()} == {Kind.NO_FACE}
            assert len(result.rejected) == 2
            calls.append(len(sandbox.ledger.preparations))
        return calls

    assert live(act, faces={"none": 1.0}) == [1, 1, 2]


def test_a_video_that_is_refused_costs_nothing(tmp_path: Path) -> None:
    """And is not asked for again."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        for _ in range(2):
            async with client() as one:
                (outcome,) = (await one.submit_many([job(0)], journal=tmp_path / "run.db")).values()
            assert isinstance(outcome, Rejected)
            assert "Video duration is invalid" in outcome.message
        assert not sandbox.ledger.preparations

    live(act, faces={"invalid": 1.0})
    assert [(kept.state, kept.calls) for kept in kept_of(tmp_path / "run.db")] == [("refused", 0)]


def test_a_face_that_cannot_be_chosen_is_that_jobs_fault_alone() -> None:
    """It is told with every face, its interval and its picture; the others of the video go."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        late = RequestBuilder().video(url(0), face="0").audio_bytes(SOUND).window(insert=59_000).build()
        async with client() as one:
            result = await one.submit_many([job(0, face="only"), job(1, face="first"), job(2, face="7"), late])
        only, first, unknown, misses = result.values()
        assert isinstance(first, Accepted)
        for rejected, rule in ((only, "several_faces"), (unknown, "unknown_face"), (misses, "face_overlap_too_short")):
            assert isinstance(rejected, Rejected)
            assert (rejected.attempts, [it.rule for it in rejected.violations]) == (0, [rule])
            assert "'0' (0 to " in rejected.message
            assert ".jpg" in rejected.message
        assert created(sandbox) == sum(sandbox.ledger.identified.values()) == 1

    live(act, faces={"two": 1.0})


def test_a_text_is_spoken_once(tmp_path: Path) -> None:
    """For all jobs that say it, whichever video; the cut ends with the speech."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        words = ("Good morning, everybody.", "Good night, and thank you.")
        jobs = [spoken(number, words[number % 2], number % 3) for number in range(12)]
        for _ in range(2):
            async with client() as one:
                result = await one.submit_many(jobs, journal=tmp_path / "run.db")
            assert len(result.accepted) == created(sandbox) == 12
        made = [it.source for it in sandbox.ledger.preparations if it.kind == "speech"]
        assert sorted(made) == [f"voice: {it}" for it in words]

    live(act)
    assert [kept.state for kept in kept_of(tmp_path / "run.db", SPEECH)] == ["done", "done"]


def test_a_dead_key_is_asked_once_and_not_for_every_video() -> None:
    """What no call can do, no other is made for: all come out as not sent."""

    async def act(sandbox: Sandbox, _: Callable[..., LipSyncClient]) -> None:
        async with LipSyncClient(sandbox.base_url, api_key="another-key") as one:
            result = await one.submit_many([job(number, number) for number in range(50)])
        assert {it.kind for it in result.not_sent.values()} == {Kind.AUTH}
        assert len(result.not_sent) == 50
        assert sandbox.ledger.requests == 0  # no create is tried without a session

    live(act)


def test_the_callers_leave_is_asked_before_each_call() -> None:
    """A text stops the batch: nothing of that video is paid."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        asked: list[object] = []

        def allow(source: object) -> str | None:
            asked.append(source)
            return "too dear" if len(asked) == 3 else None

        async with client() as one:
            jobs = [job(number, number) for number in range(4)]
            result = await one.submit_many(jobs, options=RunOptions(allow_source=allow))
        assert len(sandbox.ledger.preparations) < 4
        assert {(it.kind, it.message) for it in result.not_sent.values()} == {(Kind.QUOTA, "too dear")}

    live(act)


def test_a_broken_journal_ends_the_batch_before_a_call(tmp_path: Path) -> None:
    """What cannot be written down is not paid."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with await Journal.open(tmp_path / "run.db", gateway=sandbox.base_url) as journal, client() as one:

            def refuse(entry: Entry, done: Callable[[JournalError | None], object]) -> None:
                done(JournalError("the disk is full"))

            journal.keep = refuse  # type: ignore[method-assign]
            result = await one.submit_many([job(0), job(1, 1)], journal=journal)
        assert {it.kind for it in result.not_sent.values()} == {Kind.STORAGE}
        assert not sandbox.ledger.preparations

    live(act)


def test_two_calls_at_once_share_what_is_under_way() -> None:
    """The same request handed in by two calls, and other jobs of the same video: one call to identify it."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        async with client() as one:
            same = job(0)
            results = await asyncio.gather(one.submit(same), one.submit(same), *(one.submit(job(n)) for n in range(9)))
        assert all(isinstance(it, Accepted) for it in results)
        assert created(sandbox) == 9
        assert sum(sandbox.ledger.identified.values()) == 1

    live(act, latency=0.1)


def test_events_tell_of_every_call() -> None:
    """What was sent, and what came of it."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> list[tuple[object, ...]]:
        told: list[Event] = []
        async with client(observer=told.append) as one:
            await one.submit_many([spoken(1, "Good morning, everybody.")])
        return sorted((it.action, it.source, it.units) for it in told if it.name == "source")

    made = [("made", what, 0.05) for what in ("text", "video")]
    assert live(act) == [*made, ("sent", "text", None), ("sent", "video", None)]


def outcomes_of(many: Iterable[object]) -> list[str]:
    """Their names."""
    return [it.name for it in many if isinstance(it, Accepted | NotSent | Rejected | Unknown)]


def test_a_stopped_stream_lets_a_call_finish_and_keeps_what_it_made(tmp_path: Path) -> None:
    """The jobs come out as not sent, and the next run pays for no other call."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        # without a thread, for the clock would go on while it writes
        journal = await InlineJournal.open(tmp_path / "run.db", gateway=sandbox.base_url)
        async with journal, client() as one:
            async with one.stream([job(0), job(1)], journal=journal) as outcomes:
                await asyncio.sleep(0.2)
            assert outcomes_of(outcomes.rest) == ["not_sent", "not_sent"]
            assert [entry.state for entry in journal.reader.entries(SESSION)] == ["done"]
            assert len((await one.submit_many([job(0), job(1)], journal=journal)).accepted) == 2
        assert sum(sandbox.ledger.identified.values()) == 1

    live(act, latency=1.0)


def test_an_abort_breaks_a_call_off_and_leaves_it_on_record(tmp_path: Path) -> None:
    """The jobs were never sent; the next run makes the call once more, and the journal says so."""

    async def act(sandbox: Sandbox, client: Callable[..., LipSyncClient]) -> None:
        loop = asyncio.get_running_loop()
        async with await InlineJournal.open(tmp_path / "run.db", gateway=sandbox.base_url) as journal:
            async with client() as one, one.stream([job(0)], journal=journal) as outcomes:
                await asyncio.sleep(0.5)
                began = loop.time()
                outcomes.abort()
                assert [it.name async for it in outcomes] == ["not_sent"]
            assert loop.time() - began < 2.0
            async with client() as one:
                assert len((await one.submit_many([job(0)], journal=journal)).accepted) == 1
        assert sum(sandbox.ledger.identified.values()) == 2

    live(act, latency=5.0)
    (kept,) = kept_of(tmp_path / "run.db")
    assert (kept.calls, kept.cut_off) == (2, 1)
