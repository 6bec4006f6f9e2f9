"""Faces and speech over real sockets in virtual time: what is asked, paid once, refused, lost, and made as a task."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import count, pairwise
from typing import Any

import pytest
from attrs import evolve

from lipsync_async import (
    Limits,
    LipSyncClient,
    NoFaceError,
    NotSentError,
    OutcomeUnknownError,
    RejectedError,
    RetryPolicy,
    Speech,
    TaskError,
    TaskFailedError,
    Timeouts,
    VideoSource,
    WaitTimeoutError,
)
from lipsync_async.errors import ClientClosedError, InvalidRequestError, LipSyncError
from lipsync_async.terms import Kind
from tests.loopback.acts import KEY, client
from tests.loopback.hurried import hurry
from tests.loopback.raw import Connection, RawServer, Request, created, reply
from tests.makers import request

URL = "https://films.example/a.mp4"
FACES = [{"face_id": "0", "face_image": "https://c.example/0.jpg", "start_time": 0, "end_time": 5200}]
FOUND = reply({"code": 0, "message": "SUCCEED", "data": {"session_id": "86", "face_data": FACES}})
RUNS = reply({"code": 0, "data": {"task_id": "7", "task_status": "processing"}})
SPOKEN = reply(
    {
        "code": 0,
        "data": {
            "task_id": "7",
            "task_status": "succeed",
            "task_result": {"audios": [{"id": "99", "url": "https://c.example/a.mp3", "duration": "4.5"}]},
            "final_unit_deduction": "0.05",
        },
    }
)
NO_FACE = reply({"code": 1201, "message": "no face detected in the video"}, 400)
TOO_FAST = reply({"code": 1302, "message": "api request too fast"}, 429)
EXPIRED = reply({"code": 1004, "message": "token expired"}, 401)

Act = Callable[[LipSyncClient], Awaitable[Any]]
Answer = bytes | str | None


class Scripted:
    """A gateway that answers identify-face and tts with these answers in turn, the last again and again."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[float, Request]] = []
        self.held = asyncio.Event()

    async def play(self, connection: Connection) -> None:
        """The script of every connection; `reset` loses the reply, `hold` gives none."""
        loop = asyncio.get_running_loop()
        while asked := await connection.request():
            self.requests.append((loop.time(), asked))
            if asked.path.startswith("/kling/v1/videos/advanced-lip-sync"):
                await connection.send(created(asked.external_task_id))
                continue
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if answer == "reset":
                connection.reset()
            elif answer == "hold":
                await self.held.wait()
                await connection.send(FOUND)
            elif answer is not None:
                assert isinstance(answer, bytes)
                await connection.send(answer)

    def posts(self, path: str) -> list[Any]:
        """The bodies that were sent there."""
        return [json.loads(asked.body) for _, asked in self.requests if asked.method == "POST" and asked.path == path]

    @property
    def kinds(self) -> Counter[str]:
        """How many requests of each method."""
        return Counter(asked.method for _, asked in self.requests)


def act(what: Act, *answers: Answer, **options: Any) -> tuple[Any, Scripted, float]:
    """What came of it (an error as a value), what the gateway saw, and how long it took."""

    async def main() -> tuple[Any, Scripted, float]:
        script = Scripted(*answers)
        async with RawServer(always=script.play) as server, client(server, **options) as caller:
            begun = asyncio.get_running_loop().time()
            try:
                came: Any = await what(caller)
            except LipSyncError as error:
                came = error
            assert caller.statistics().in_flight == 0
            return came, script, asyncio.get_running_loop().time() - begun

    return hurry(main())


def identify(**options: Any) -> Act:
    """The faces of the video."""
    return lambda caller: caller.identify_faces(video_url=URL, **options)


def speak(**options: Any) -> Act:
    """A text, spoken."""
    return lambda caller: caller.synthesize_speech("Hello", "girl-1", **options)


# --- what is asked and told -----------------------------------------------------------------------------------------


def test_a_video_is_identified_by_its_url() -> None:
    """One request, to the gateway's own path, with the key."""
    session, seen, _ = act(identify(), FOUND)
    assert (session.session_id, session.faces[0].face_id, session.faces[0].interval) == ("86", "0", (0, 5200))
    assert session.video == VideoSource(url=URL)
    assert session.builder().audio_id("a").window(0, 5000).build().session_id == "86"
    assert seen.posts("/kling/v1/videos/identify-face") == [{"video_url": URL}]
    (asked,) = (asked for _, asked in seen.requests)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-type"] == "application/json"


def test_a_video_of_klings_is_identified_by_its_id() -> None:
    """And a gateway may want more fields, which win."""
    session, seen, _ = act(
        lambda caller: caller.identify_faces(video_id="8", extra_body={"model_name": "kling-identify-face"}), FOUND
    )
    assert session.video == VideoSource(video_id="8")
    assert seen.posts("/kling/v1/videos/identify-face") == [{"model_name": "kling-identify-face", "video_id": "8"}]


def test_a_text_is_spoken() -> None:
    """Its audio id, length and cost; the job that it makes has an end."""
    speech, seen, _ = act(speak(language="zh", speed=1.2), SPOKEN)
    assert isinstance(speech, Speech)
    assert (speech.audio_id, speech.seconds, speech.units) == ("99", 4.5, "0.05")
    assert speech.url == "https://c.example/a.mp3"
    assert seen.posts("/kling/v1/audio/tts") == [
        {"text": "Hello", "voice_id": "girl-1", "voice_language": "zh", "voice_speed": 1.2}
    ]


@pytest.mark.parametrize(
    "what",
    [
        lambda caller: caller.identify_faces(),
        lambda caller: caller.identify_faces(video_url=URL, video_id="8"),
        lambda caller: caller.identify_faces(video_url="film.mp4"),
        lambda caller: caller.identify_faces(video_id="8", extra_body={"x": object()}),
        lambda caller: caller.synthesize_speech("", "v"),
        lambda caller: caller.synthesize_speech("Hello", "v", speed=9),
    ],
)
def test_what_cannot_be_asked_is_not_asked(what: Act) -> None:
    """Nothing is sent, and nothing is paid."""
    came, seen, _ = act(what, FOUND)
    assert isinstance(came, InvalidRequestError)
    assert seen.requests == []


# --- refused --------------------------------------------------------------------------------------------------------


def test_no_face_is_an_outcome_of_its_own() -> None:
    """In words, in an empty list, or as a task that failed for it."""
    empty = reply({"code": 0, "message": "SUCCEED", "data": {"session_id": "86", "face_data": []}})
    failed = reply({"code": 0, "data": {"task_id": "7", "task_status": "failed", "task_status_msg": "no face found"}})
    for answers in ([NO_FACE], [empty], [RUNS, failed]):
        came, seen, _ = act(identify(), *answers)
        assert isinstance(came, NoFaceError)
        assert came.kind == Kind.NO_FACE
        assert "SUCCEED" not in str(came)
        assert seen.kinds["POST"] == 1


@pytest.mark.parametrize(
    ("answer", "error", "kind"),
    [
        (
            reply({"code": "identify_face_failed", "message": "Video duration is invalid"}, 400),
            RejectedError,
            "invalid_request",
        ),
        (reply({"code": 1301, "message": "risk"}, 400), RejectedError, "content_policy"),
        (reply({"code": 1102, "message": "pack"}, 429), NotSentError, "quota"),
        (reply({"code": 1002, "message": "key"}, 401), NotSentError, "auth"),
        (reply({"error": {"message": "Invalid URL (POST /x)"}}, 404), NotSentError, "configuration"),
        (reply({"code": 5000, "message": "oops"}, 500), OutcomeUnknownError, "server"),
        (reply("", 502), OutcomeUnknownError, "server"),
        (reply({"code": 0, "data": {"session_id": "86"}}), OutcomeUnknownError, "protocol"),
        (reply({"code": 0, "data": {"task_id": "8", "task_status": "succeed"}}), OutcomeUnknownError, "protocol"),
    ],
)
def test_a_refusal_is_told_and_doubt_is_doubt(answer: bytes, error: type[LipSyncError], kind: str) -> None:
    """Each is sent once; only what is in doubt says that it may have been charged."""
    came, seen, _ = act(identify(), answer)
    assert type(came) is error
    assert came.kind == kind
    assert seen.kinds == {"POST": 1}
    assert ("0.05 unit" in str(came)) is (error is OutcomeUnknownError)
    assert KEY not in str(came)


def test_a_lost_reply_is_not_sent_again() -> None:
    """It may have been charged: the caller decides."""
    for what in (identify(), speak()):
        came, seen, _ = act(what, "reset", FOUND)
        assert isinstance(came, OutcomeUnknownError)
        assert "may have been charged (0.05 unit), and is not sent again by itself" in str(came)
        assert came.__cause__ is not None
        assert seen.kinds == {"POST": 1}


def test_a_reply_that_does_not_come_is_not_sent_again() -> None:
    """The time-out of a request ends it."""
    came, seen, seconds = act(identify(), None, timeouts=Timeouts(total=8.0))
    assert isinstance(came, OutcomeUnknownError)
    assert came.kind == Kind.TIMEOUT
    assert 8.0 <= seconds < 10.0
    assert seen.kinds == {"POST": 1}


def test_nobody_there_is_safe_to_try_again() -> None:
    """Nothing left: it is tried as often as a job would be."""

    async def main() -> Any:
        async with RawServer() as gone:
            pass
        async with client(gone, retry=RetryPolicy(max_attempts=3)) as caller:
            with pytest.raises(NotSentError) as raised:
                await caller.identify_faces(video_url=URL)
            return raised.value

    came = hurry(main())
    assert came.kind == Kind.CONNECTION
    assert isinstance(came.__cause__, ConnectionRefusedError)


def test_a_refusal_for_rate_is_waited_for() -> None:
    """At the one gate of the account, and paid once."""
    session, seen, seconds = act(identify(), TOO_FAST, TOO_FAST, FOUND)
    assert session.session_id == "86"
    assert seen.kinds == {"POST": 3}
    assert 3.0 <= seconds < 4.0


def test_a_refusal_for_rate_holds_back_creates() -> None:
    """It speaks of the account."""

    async def both(caller: LipSyncClient) -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        faces = loop.create_task(caller.identify_faces(video_url=URL))
        await asyncio.sleep(0.5)
        await caller.submit(request("job-1"))
        waited = loop.time() - begun
        await faces
        return waited

    waited, _, _ = act(both, reply({"code": 1302}, 429, "Retry-After: 30"), FOUND)
    assert waited >= 30.0


def test_waiting_has_an_end() -> None:
    """What was never acted upon is told as that."""
    came, seen, seconds = act(identify(timeout=20.0), TOO_FAST)
    assert isinstance(came, NotSentError)
    assert came.kind == Kind.RATE
    assert seconds <= 20.0
    assert seen.kinds["POST"] == 5


# --- the key --------------------------------------------------------------------------------------------------------


def keys() -> Callable[[], str]:
    """A callable that gives a new key each time."""
    numbers: Iterator[int] = count(1)
    return lambda: f"key-{next(numbers)}"


def test_a_key_that_expired_is_renewed_once() -> None:
    """Surely refused, so the same call goes out with the new one."""
    session, seen, _ = act(identify(), EXPIRED, FOUND, api_key=keys())
    assert session.session_id == "86"
    assert [asked.headers["authorization"] for _, asked in seen.requests] == ["Bearer key-1", "Bearer key-2"]
    came, seen, _ = act(identify(), EXPIRED, api_key=keys())
    assert isinstance(came, NotSentError)
    assert came.kind == Kind.AUTH
    assert seen.kinds == {"POST": 2}


def test_a_key_of_text_is_not_renewed() -> None:
    """There is nobody to ask."""
    came, seen, _ = act(identify(), EXPIRED, FOUND)
    assert (type(came), came.kind, seen.kinds["POST"]) == (NotSentError, Kind.AUTH, 1)


# --- as a task ------------------------------------------------------------------------------------------------------


def test_a_task_is_asked_for_until_it_has_ended() -> None:
    """At its own path, past every cache, by the pauses; trouble ends nothing, and it is paid once."""
    oops = reply({"code": 5000}, 500)
    missing = reply({"code": 1203, "message": "task not exist"}, 404)
    for what, made in ((identify(), FOUND), (speak(), SPOKEN)):
        came, seen, seconds = act(what, RUNS, missing, RUNS, oops, "reset", RUNS, made)
        assert not isinstance(came, Exception)
        assert seen.kinds["POST"] == 1
        gets = [asked for _, asked in seen.requests if asked.method == "GET"]
        assert {asked.path for asked in gets} <= {"/kling/v1/videos/identify-face/7", "/kling/v1/audio/tts/7"}
        assert all(asked.headers["cache-control"] == "no-cache" for asked in gets)
        assert len(gets) == 6
        assert 1.0 + 2.0 + 1.0 + 2.0 <= seconds < 40.0  # aiohttp itself asks again after a reset


def test_a_task_that_failed_says_why() -> None:
    """By the task's own reason."""
    failed = reply({"code": 0, "data": {"task_id": "7", "task_status": "failed", "task_status_msg": "resolution"}})
    came, _, _ = act(identify(), RUNS, failed)
    assert isinstance(came, TaskFailedError)
    assert (came.task_id, came.kind) == ("7", "media")
    assert "resolution" in str(came)


def test_a_task_that_ends_with_nothing_is_an_error() -> None:
    """A success without what was asked for is none."""
    came, _, _ = act(identify(), RUNS, reply({"code": 0, "data": {"task_id": "7", "task_status": "succeed"}}))
    assert type(came) is TaskError
    assert came.task_id == "7"


def test_a_task_that_takes_long_can_be_waited_for_again() -> None:
    """The error names it, and the second call pays nothing."""
    came, seen, seconds = act(identify(timeout=30.0), RUNS)
    assert isinstance(came, WaitTimeoutError)
    assert came.task_id == "7"
    assert seconds <= 30.0
    assert seen.kinds["POST"] == 1
    session, seen, _ = act(identify(task_id="7"), RUNS, FOUND)
    assert session.session_id == "86"
    assert seen.kinds == {"GET": 2}


def test_a_key_that_expires_while_a_task_runs_is_renewed() -> None:
    """The task is not lost by it."""
    session, seen, _ = act(identify(), RUNS, EXPIRED, FOUND, api_key=keys())
    assert session.session_id == "86"
    assert seen.requests[-1][1].headers["authorization"] == "Bearer key-2"


# --- limits ---------------------------------------------------------------------------------------------------------


def test_both_calls_count_against_a_told_rate() -> None:
    """Twenty calls at four a second take five seconds, whatever they ask for."""

    async def many(caller: LipSyncClient) -> None:
        await asyncio.gather(*(caller.identify_faces(video_url=URL) for _ in range(20)))

    _, seen, seconds = act(many, FOUND, limits=Limits(max_per_second=4.0))
    assert 4.7 <= seconds < 5.5
    moments = [moment for moment, _ in seen.requests]
    assert min(later - earlier for earlier, later in pairwise(moments)) > 0.2


def test_both_calls_count_against_what_may_be_in_flight() -> None:
    """Of ten calls three are out at a time."""

    async def many(caller: LipSyncClient) -> int:
        calls = [asyncio.ensure_future(caller.identify_faces(video_url=URL)) for _ in range(10)]
        await asyncio.sleep(3.0)
        in_flight = caller.statistics().in_flight
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return in_flight

    in_flight, seen, _ = act(many, None, limits=Limits(max_in_flight=3))
    assert in_flight == 3
    assert seen.kinds["POST"] == 3


def test_running_tasks_do_not_hold_them_back() -> None:
    """They make none: an account whose places are all taken can identify a video."""

    async def after(caller: LipSyncClient) -> float:
        loop = asyncio.get_running_loop()
        await caller.submit(request("job-1"))
        begun = loop.time()
        await caller.identify_faces(video_url=URL)
        return loop.time() - begun

    waited, _, _ = act(after, FOUND, limits=Limits(max_running_tasks=1))
    assert waited < 1.0


def test_a_call_that_is_cancelled_says_what_may_have_been_paid() -> None:
    """Sent: a note; waiting for its turn: none."""

    async def cancelled(caller: LipSyncClient) -> list[list[str]]:
        calls = [asyncio.ensure_future(caller.identify_faces(video_url=URL)) for _ in range(2)]
        await asyncio.sleep(1.0)
        notes = []
        for call in calls:
            call.cancel()
            try:
                await call
            except asyncio.CancelledError as error:
                notes.append(getattr(error, "__notes__", []))
        return notes

    notes, _, _ = act(cancelled, None, limits=Limits(max_in_flight=1))
    assert len(notes[0]) == 1
    assert "may have been charged (0.05 unit)" in notes[0][0]
    assert notes[1] == []


def test_a_client_that_is_closed_asks_nothing() -> None:
    """As every other call."""

    async def main() -> None:
        caller = LipSyncClient("http://127.0.0.1:9", api_key=KEY)
        await caller.aclose()
        with pytest.raises(ClientClosedError):
            await caller.identify_faces(video_url=URL)

    hurry(main())


# --- jobs of one video ----------------------------------------------------------------------------------------------


def test_a_new_session_of_the_video_does_not_pay_again() -> None:
    """Two calls of one client, each with a session of its own: one create, and the second is told again."""
    sessions = [reply({"code": 0, "data": {"session_id": str(number), "face_data": FACES}}) for number in (1, 2)]

    async def twice(caller: LipSyncClient) -> list[Any]:
        told: list[Any] = []
        for _ in range(2):
            session = await caller.identify_faces(video_url=URL)
            batch = await caller.submit_many([session.builder().audio_id("a").window(0, 5000).build()])
            told += batch.values()
        return told

    told, seen, _ = act(twice, *sessions)
    assert told[0].task_id == told[1].task_id
    assert told[0].external_task_id == told[1].external_task_id
    assert told[1].replayed
    assert len(seen.posts("/kling/v1/videos/advanced-lip-sync")) == 1


def test_one_list_may_hold_a_job_of_two_sessions() -> None:
    """The same id with another session of the same video is the same job, and no conflict."""
    first = request("job-1", source=VideoSource(url=f"{URL}?sig=1"), session_id="1", face_id="0")
    second = evolve(first, session_id="2", source=VideoSource(url=f"{URL}?sig=2"))

    batch, seen, _ = act(lambda caller: caller.submit_many([first, second]), FOUND)
    assert len(batch.accepted) == 1
    assert len(seen.posts("/kling/v1/videos/advanced-lip-sync")) == 1
