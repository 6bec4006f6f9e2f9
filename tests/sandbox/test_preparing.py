"""identify-face and text-to-speech, and what creates make of what they gave."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.sandbox import KNOWN_FACES, KNOWN_PREPARE_FAULTS, Sandbox
from lipsync_async.sandbox.sessions import Sessions, video_key

from .fetching import fetch, with_files
from .helpers import Caller, Clock, job, with_sandbox

IDENTIFY, SPEECH = "/kling/v1/videos/identify-face", "/kling/v1/audio/tts"
VIDEO = {"video_url": "https://cdn.example.test/a.mp4"}
WORDS = {"text": "Good morning to all of you.", "voice_id": "oversea_male1", "voice_language": "en"}


async def call(caller: Caller, path: str, body: Any, **options: Any) -> tuple[int, Any]:
    """POST; gives status and decoded body."""
    status, said, _ = await caller.raw("POST", path, json=body, **options)
    return status, json.loads(said)


def test_faces_are_identified() -> None:
    """A session with the one face of the video, its interval and its picture (sample f01), for 0.05 units."""

    async def test(caller: Caller) -> None:
        status, body = await call(caller, IDENTIFY, VIDEO)
        data = body["data"]
        assert (status, body["code"], data["final_unit_deduction"]) == (200, 0, "0.05")
        (face,) = data["face_data"]
        assert (face["face_id"], face["start_time"]) == ("0", 0)
        assert 20_000 <= face["end_time"] <= 60_000
        got = await fetch(face["face_image"])
        assert (got.status, got.headers["Content-Type"], got.body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
        assert (await fetch(face["face_image"][:-1] + "x")).status == 403
        again = (await call(caller, IDENTIFY, {"video_url": VIDEO["video_url"] + "?sig=2"}))[1]["data"]
        assert again["session_id"] != data["session_id"]
        assert again["face_data"][0]["end_time"] == face["end_time"]

    ledger = with_files(test).ledger
    assert ledger.identified == {VIDEO["video_url"]: 2}
    assert ledger.units == pytest.approx(0.1)
    assert ledger.requests == 0
    assert "prepared  2 faces and speech (0.1 units)" in ledger.summary()


@pytest.mark.parametrize(
    "body", [{}, {"video_url": "x"}, {"video_url": 5}, {"video_url": "https://a.test/", "video_id": "1"}, []]
)
def test_a_call_without_a_video_is_refused(body: Any) -> None:
    """Exactly one of URL and id, and nothing is billed."""

    async def test(caller: Caller) -> None:
        assert (await call(caller, IDENTIFY, body))[0] == 400

    assert with_files(test).ledger.units == 0


@pytest.mark.parametrize(
    ("kind", "status", "faces", "billed"),
    [
        ("none", 200, 0, 0.05),
        ("two", 200, 2, 0.05),
        ("three", 200, 3, 0.05),
        ("refused", 400, 0, 0),
        ("invalid", 400, 0, 0),
    ],
)
def test_kinds_of_videos(kind: str, status: int, faces: int, billed: float) -> None:
    """No face in two ways, several, and a length that is refused; what is refused costs nothing."""

    async def test(caller: Caller) -> None:
        got, body = await call(caller, IDENTIFY, VIDEO)
        assert got == status
        assert len(body.get("data", {}).get("face_data", ())) == faces
        assert (body["code"] == 1201) is (status == 400)

    assert with_files(test, faces={kind: 1.0}).ledger.units == billed


def test_all_kinds_are_tested() -> None:
    """Those of the table above."""
    assert set(KNOWN_FACES) == {"none", "two", "three", "refused", "invalid"}
    assert set(KNOWN_PREPARE_FAULTS) == {"reset_before", "503_before", "lose_reply", "502_after"}


def test_a_new_api_gateway_names_the_call() -> None:
    """Sample f03."""

    async def test(caller: Caller) -> None:
        status, body = await call(caller, IDENTIFY, VIDEO)
        assert (status, body) == (
            400,
            {"code": "identify_face_failed", "message": "Video duration is invalid", "data": None},
        )

    with_files(test, faces={"invalid": 1.0}, refusals="new-api")


@given(st.integers(), st.sampled_from(["?a=b", "#c", "?x=1#y", ""]))
def test_the_faces_are_the_videos_own(seed: int, signature: str) -> None:
    """However its URL is signed, and whatever came before it."""
    first, second = (Sessions({"two": 0.5}, 60.0, seed) for _ in range(2))
    second.identify("https://cdn.example.test/other.mp4", 0.0)
    url = VIDEO["video_url"]
    assert first.identify(url, 0.0).faces == second.identify(url + signature, 5.0).faces
    assert video_key(url + signature) == url


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_identify_as_a_task(scale: float) -> None:
    """Submitted at first, and after its seconds the session; the query is another's 404, and there is none without."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        _, body = await call(caller, IDENTIFY, VIDEO)
        told = body["data"]
        assert (told["task_status"], "session_id" in told) == ("submitted", False)
        path = f"{IDENTIFY}/{told['task_id']}"
        clock.now += 2.9 / scale
        assert json.loads((await caller.raw("GET", path))[1])["data"]["task_status"] == "submitted"
        clock.now += 0.1001 / scale
        done = json.loads((await caller.raw("GET", path))[1])["data"]
        assert (done["task_status"], len(done["face_data"])) == ("succeed", 1)
        assert done["updated_at"] - done["created_at"] == pytest.approx(3000 / scale, abs=1)
        assert (await caller.raw("GET", f"{IDENTIFY}/1"))[0] == 404
        assert (await fetch(caller.sandbox.base_url + path)).status == 401

    ledger = with_sandbox(test, clock=clock, identify_tasks=True, time_scale=scale).ledger
    assert ledger.identified == {VIDEO["video_url"]: 1}

    async def without(caller: Caller) -> None:
        assert (await caller.raw("GET", f"{IDENTIFY}/1"))[0] == 404

    with_sandbox(without)


def test_a_task_that_finds_no_face_fails() -> None:
    """With the reason, and at no cost."""

    async def test(caller: Caller) -> None:
        _, body = await call(caller, IDENTIFY, VIDEO)
        done = json.loads((await caller.raw("GET", f"{IDENTIFY}/{body['data']['task_id']}"))[1])["data"]
        assert (done["task_status"], done["task_status_msg"]) == ("failed", "no face detected in the video")

    options: dict[str, Any] = {"identify_tasks": True, "identify_seconds": 0.0, "faces": {"refused": 1.0}}
    assert with_files(test, **options).ledger.units == 0


def test_speech() -> None:
    """A sound with its id and its length (sample f04), for 0.05 units; a slower voice takes longer."""

    async def test(caller: Caller) -> None:
        status, body = await call(caller, SPEECH, WORDS)
        assert (status, body["data"]["task_status"], body["data"]["final_unit_deduction"]) == (200, "succeed", "0.05")
        (audio,) = body["data"]["task_result"]["audios"]
        assert float(audio["duration"]) == pytest.approx(5.4)
        _, slow = await call(caller, SPEECH, WORDS | {"voice_speed": 0.8})
        assert float(slow["data"]["task_result"]["audios"][0]["duration"]) == pytest.approx(6.75)

    ledger = with_files(test).ledger
    assert [(it.kind, it.source) for it in ledger.preparations] == [("speech", f"oversea_male1: {WORDS['text']}")] * 2
    assert ledger.units == pytest.approx(0.1)
    assert ledger.identified == {}


@pytest.mark.parametrize(
    "change",
    [{"text": ""}, {"text": "x" * 1001}, {"voice_id": ""}, {"voice_speed": 0.7}, {"voice_speed": "1"}, {"text": 5}],
)
def test_wrong_speech_is_refused(change: dict[str, Any]) -> None:
    """Each by its field, and nothing is billed."""

    async def test(caller: Caller) -> None:
        status, body = await call(caller, SPEECH, WORDS | change)
        assert (status, body["code"]) == (400, 1201)
        assert next(iter(change)) in body["message"]

    assert with_files(test).ledger.units == 0


@pytest.mark.parametrize("path", [IDENTIFY, SPEECH])
def test_they_stand_behind_the_account(path: str) -> None:
    """Key, rate and balance hold for them as for creates."""
    body = VIDEO if path == IDENTIFY else WORDS

    async def test(caller: Caller) -> None:
        assert (await call(caller, path, body, headers={"Authorization": "Bearer x"}))[1]["code"] == 1002
        assert [(await call(caller, path, body))[1]["code"] for _ in range(3)] == [0, 1302, 1302]
        caller.sandbox.set_limits(max_per_second=None)
        assert [(await call(caller, path, body))[1]["code"] for _ in range(2)] == [0, 1102]

    assert with_files(test, balance=0.12, max_per_second=1, clock=Clock()).ledger.units == pytest.approx(0.1)


@pytest.mark.parametrize("path", [IDENTIFY, SPEECH])
@pytest.mark.parametrize(
    ("fault", "status", "billed"),
    [("reset_before", 0, 0), ("503_before", 503, 0), ("lose_reply", 0, 1), ("502_after", 502, 1)],
)
def test_their_faults(path: str, fault: str, status: int, billed: int) -> None:
    """Done and billed before the reply is lost, or not at all."""

    async def test(caller: Caller) -> None:
        caller.session._retry_connection = False
        body = VIDEO if path == IDENTIFY else WORDS
        try:
            got = (await caller.raw("POST", path, json=body))[0]
        except OSError:
            got = 0
        assert got == status
        caller.sandbox.set_prepare_faults(None)
        assert (await call(caller, path, body))[0] == 200

    ledger = with_files(test, prepare_faults={fault: 1.0}).ledger
    assert [it.fault for it in ledger.preparations] == [fault] * billed + [None]


def test_creates_need_what_was_given_here() -> None:
    """Session, face, place and sound are looked at, each fault in its own words."""

    async def test(caller: Caller) -> None:
        session = (await call(caller, IDENTIFY, VIDEO))[1]["data"]
        audio = (await call(caller, SPEECH, WORDS))[1]["data"]["task_result"]["audios"][0]["id"]
        first, second = session["face_data"]

        async def create(name: str, session_id: str = session["session_id"], **face: Any) -> str:
            fields = {"audio_id": audio, "face_id": "0", "sound_end_time": 5000} | face
            _, body = await caller.post(job(name, session_id=session_id, face_fields=fields))
            return str(body["message"])

        assert await create("a") == "SUCCEED"
        assert await create("b", "1") == "session not found"
        assert "face_id is not of this session" in await create("b", face_id="2")
        assert "audio_id is not found" in await create("b", audio_id="1")
        assert "after the end of the audio" in await create("b", sound_end_time=5401)
        late = first["end_time"] - 2000
        assert await create("c", sound_insert_time=late) == "SUCCEED"
        assert "less than 2 seconds" in await create("b", sound_insert_time=late + 1)
        early = second["start_time"] - 3000
        assert await create("d", face_id="1", sound_insert_time=early) == "SUCCEED"
        assert "less than 2 seconds" in await create("b", face_id="1", sound_insert_time=early - 1)
        last = second["end_time"] - 5000
        assert await create("e", face_id="1", sound_insert_time=last) == "SUCCEED"
        assert "ends after the video" in await create("b", face_id="1", sound_insert_time=last + 1)

    ledger = with_files(test, check_ids=True, faces={"two": 1.0}, failed_share=0.0).ledger
    assert sorted(entry.external_task_id for entry in ledger.entries) == ["a", "c", "d", "e"]
    assert ledger.refused == {1201: 7}


def test_a_session_dies() -> None:
    """After its time, scaled, and when it is killed; a new one of the same video is good."""
    clock = Clock()

    async def test(caller: Caller) -> None:
        async def create(name: str, session_id: str) -> int:
            return (await caller.post(job(name, session_id=session_id, face_fields=SOUND)))[0]

        session = (await call(caller, IDENTIFY, VIDEO))[1]["data"]["session_id"]
        clock.now += 8639.9
        assert await create("a", session) == 200
        clock.now += 0.1
        assert await create("b", session) == 400
        session = (await call(caller, IDENTIFY, VIDEO))[1]["data"]["session_id"]
        assert await create("b", session) == 200
        caller.sandbox.kill_sessions()
        assert await create("c", session) == 400

    with_sandbox(test, clock=clock, check_ids=True, time_scale=10)


SOUND = {"audio_id": None, "sound_file": "https://cdn.example.test/a.mp3"}


def test_a_foreign_account_does_not_know_the_session() -> None:
    """For about the share of creates that was asked for, and the same with the same seed."""

    async def test(caller: Caller) -> None:
        said = [(await caller.post(job(str(n))))[1]["message"] for n in range(200)]
        assert set(said) == {"SUCCEED", "session not found"}
        refused.append([it != "SUCCEED" for it in said])

    refused: list[list[bool]] = []
    for _ in range(2):
        with_files(test, foreign_share=0.25)
    assert refused[0] == refused[1]
    assert 30 < sum(refused[0]) < 70


@pytest.mark.parametrize("options", [{"faces": {"four": 1.0}}, {"prepare_faults": {"hang": 1.0}}])
def test_wrong_chances_are_told(options: dict[str, Any]) -> None:
    """By the names that are known."""
    with pytest.raises(ValueError, match="unknown"):
        Sandbox(**options)


def test_a_client_that_leaves_in_the_middle_pays_nothing() -> None:
    """Half a body identifies nothing."""

    async def test(caller: Caller) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", int(caller.sandbox.base_url.rpartition(":")[2]))
        writer.write(f"POST {IDENTIFY} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await call(caller, IDENTIFY, VIDEO))[0] == 200

    assert with_files(test).ledger.identified == {VIDEO["video_url"]: 1}
