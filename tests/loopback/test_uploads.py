"""Clips on the wire: what arrives is the file, whole, or nothing that could be acted upon."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest

from lipsync_async import AudioBytes, AudioFile
from lipsync_async.outcomes import Accepted, Rejected
from lipsync_async.terms import Kind
from tests.makers import request, wav

from .acts import big_clip, client, tell
from .hurried import hurry
from .raw import Connection, RawServer, gateway

CLIPS = Path(__file__).parent.parent / "clips"
GOOD_CLIPS = ("mp3_cbr128_xing_id3.mp3", "mp3_vbr_xing.mp3", "m4a_aac.m4a", "cover.m4a", "adpcm.wav")


def arrived(server: RawServer) -> bytes:
    """The sound of the one create, its length checked."""
    (sent,) = [sent for sent in server.requests if sent.method == "POST"]
    (connection,) = server.connections
    assert connection.seen.endswith(sent.body), "nothing follows the body"
    assert int(sent.headers["content-length"]) == len(sent.body)
    assert "transfer-encoding" not in sent.headers
    (face,) = json.loads(sent.body)["face_choose"]
    return b64decode(face["sound_file"], validate=True)


@pytest.mark.parametrize("name", GOOD_CLIPS)
def test_a_file_arrives_as_it_is(name: str) -> None:
    """The Base64 that was received decodes to the file's bytes, and Content-Length is exact."""
    path = CLIPS / name
    clip = AudioFile(path)
    end = min(5000, int((clip.info.duration or 5) * 1000))
    told = tell(job=request(sound_file=clip, sound_end_time=end))
    assert isinstance(told.outcome, Accepted), told.outcome
    assert arrived(told.server) == path.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 2, 36 * 1024 - 1])
def test_bytes_of_any_length_arrive_as_they_are(size: int) -> None:
    """Whatever is left over for the last slice and its padding."""
    data = wav(3.0) + bytes(size)
    told = tell(job=request(sound_file=AudioBytes(data), sound_end_time=2500))
    assert isinstance(told.outcome, Accepted), told.outcome
    assert arrived(told.server) == data


def test_a_file_of_5_mb_arrives_as_it_is(tmp_path: Path) -> None:
    """The biggest clip there is, from disk."""
    path = tmp_path / "big.wav"
    path.write_bytes(big_clip().data)
    told = tell(job=request(sound_file=AudioFile(path)))
    assert isinstance(told.outcome, Accepted), told.outcome
    assert arrived(told.server) == big_clip().data


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "shorter": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"xx"),
    "emptied": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "touched": _touch,
    "another file": _replace,
    "a folder": _folder,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_after_it_was_checked_is_rejected(change: str, tmp_path: Path) -> None:
    """Nothing whole arrives, and the next job is none the worse."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    job = request(sound_file=AudioFile(path), sound_end_time=2500)
    CHANGES[change](path)

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            result = await submitter.submit_many([job, request("job-2")])
        outcome = result["job-1"]
        assert isinstance(outcome, Rejected), outcome
        assert outcome.kind is Kind.VALIDATION
        assert server.creates == {"job-2": 1}

    hurry(main())


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_while_it_is_uploaded_is_rejected(change: str, tmp_path: Path) -> None:
    """It is looked at again before the last slice: what left is no whole request."""
    path = tmp_path / "clip.wav"
    path.write_bytes(big_clip().data)

    async def meddle(connection: Connection) -> None:
        await connection.some(2_000_000)
        CHANGES[change](path)
        await gateway(connection)

    told = tell(meddle, job=request(sound_file=AudioFile(path)))
    assert isinstance(told.outcome, Rejected), told.outcome
    assert told.outcome.kind is Kind.VALIDATION
    assert told.server.total == 0


def test_a_file_that_can_no_longer_be_read_does_not_fail_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails within a clip is that job's misfortune: nothing whole arrives, others go their way."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    job = request(sound_file=AudioFile(path), sound_end_time=2500)

    def broken(*_: object) -> object:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(AudioFile, "slices", broken)

    async def main() -> None:
        async with RawServer() as server, client(server) as submitter:
            result = await submitter.submit_many([job, request("job-2")])
        assert result["job-1"].name == "not_sent"
        assert isinstance(result["job-2"], Accepted)
        assert server.creates == {"job-2": 1}

    hurry(main())


def test_the_same_bytes_are_sent_on_every_attempt() -> None:
    """Cut off within the clip, the second attempt sends what the first one would have sent."""

    async def cut(connection: Connection) -> None:
        await connection.some(1_000_000)
        connection.reset()

    told = tell(cut, job=request(sound_file=big_clip()))
    first, second = (bytes(connection.seen) for connection in told.server.connections)
    assert second.startswith(first[:900_000])
    assert isinstance(told.outcome, Accepted)
