"""The derived id, the fingerprint, and the ids that were seen."""

from __future__ import annotations

import os
import sys
import tracemalloc
from base64 import b64encode
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lipsync_async.models import FaceChoice, LipSyncRequest
from lipsync_async.request.audio import AudioBytes, AudioFile
from lipsync_async.wire import canonical, identity
from lipsync_async.wire.identity import (
    SeenIds,
    core_fingerprint,
    derive_id,
    fingerprint,
    fingerprints,
    is_signed,
    without_signature,
)
from tests import makers

PLAIN = LipSyncRequest(
    session_id="825465778199224380",
    face_choose=(
        FaceChoice(
            face_id="-1",
            audio_id="825451760499568680",
            sound_start_time=0,
            sound_end_time=5000,
            sound_insert_time=1000,
            sound_volume=1,
            original_audio_volume=1,
        ),
    ),
)
CLIP = b"RIFF\x24\x00\x00\x00WAVE"


def with_sound(sound: Any) -> LipSyncRequest:
    """The plain request with a sound in place of the audio id."""
    return evolve(PLAIN, face_choose=[evolve(PLAIN.face_choose[0], audio_id=None, sound_file=sound)])


FULL = evolve(
    with_sound(AudioBytes(CLIP)),
    external_task_id="not part of it",
    callback_url="https://example.test/hook?é=1",
    watermark_info={"enabled": False},
    extra_body={"model": "kling-v1-6", "zoom": 0.5, "日本": [1, None, True]},
)


# --- derive_id ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "prefix", "expected"),
    [
        (PLAIN, "", "e072c88f39a5893a21c8c13b4ab5132b4b06ede2"),
        (PLAIN, "batch7-", "batch7-ea716e7138d3dbd4f0733defae7c116f6c9e5511"),
        (with_sound(AudioBytes(CLIP)), "", "dedab2ae4dc98ee1ec0313a4aacbaa50edac1dd4"),
        (with_sound("https://example.test/a.mp3"), "", "69b5a9f3c0d08ecaba2f59f5b779550935bbc925"),
        (FULL, "", "3606f7a0fb50a4cbea36db7081a0a330ccc0d567"),
    ],
)
def test_golden_ids(request_: LipSyncRequest, prefix: str, expected: str) -> None:
    """These ids never change: the same script run again by a later version means the same jobs."""
    assert derive_id(request_, prefix=prefix) == expected


def test_one_clip_has_one_id(tmp_path: Path) -> None:
    """File, bytes and Base64 text of one clip are one job."""
    path = tmp_path / "clip.wav"
    path.write_bytes(CLIP)
    ids = {derive_id(with_sound(it)) for it in (AudioFile(path), AudioBytes(CLIP), b64encode(CLIP).decode())}
    assert len(ids) == 1


def test_the_id_given_is_no_part_of_it() -> None:
    """Whatever id a request carries, the derived one is the same."""
    assert derive_id(evolve(PLAIN, external_task_id="x")) == derive_id(PLAIN)


def test_numbers_are_told_by_their_value() -> None:
    """1.0 and 1 go over the wire as the same, and are the same job."""
    changes: dict[str, Any] = {"sound_volume": 1.0, "sound_start_time": 0.0}
    face = evolve(PLAIN.face_choose[0], **changes)
    assert derive_id(evolve(PLAIN, face_choose=(face,))) == derive_id(PLAIN)


@pytest.mark.parametrize(
    "change",
    [
        {"session_id": "x"},
        {"callback_url": "https://example.test"},
        {"watermark_info": {}},
        {"extra_body": {"model": "x"}},
    ],
)
def test_other_content_has_another_id(change: dict[str, Any]) -> None:
    """Whatever else goes over the wire makes it another job."""
    assert derive_id(evolve(PLAIN, **change)) != derive_id(PLAIN)


@pytest.mark.parametrize("prefix", ["a b", "é", "a.b", "a\n", "a/b"])
def test_prefixes_keep_to_their_alphabet(prefix: str) -> None:
    """An id travels in URLs: nothing but letters, digits, _ and -."""
    with pytest.raises(ValueError, match="made of"):
        derive_id(PLAIN, prefix=prefix)


def test_prefixes_leave_room_for_the_digits() -> None:
    """An id is never cut: 24 characters of prefix fit into 64, 25 do not."""
    assert len(derive_id(PLAIN, prefix="p" * 24)) == 64
    with pytest.raises(ValueError, match="at most 24 characters, not 25"):
        derive_id(PLAIN, prefix="p" * 25)
    with pytest.raises(ValueError, match="at most 0 characters"):
        derive_id(PLAIN, max_length=39)
    assert len(derive_id(PLAIN, max_length=40)) == 40


# --- fingerprint --------------------------------------------------------------------------------------------------


def test_golden_fingerprint() -> None:
    """Journals hold fingerprints: they do not change either."""
    assert fingerprint(PLAIN).hex() == "68af59ea1650c45ad8ce11b1f311667d"


def test_fingerprints_tell_content_apart() -> None:
    """The same content has one fingerprint whatever its id, other content has another."""
    same = evolve(PLAIN, external_task_id="x")
    assert fingerprint(same) == fingerprint(PLAIN)
    others = [fingerprint(it) for it in (PLAIN, FULL, with_sound(AudioBytes(CLIP)), with_sound(AudioBytes(CLIP * 2)))]
    assert all(one != two for one, two in combinations(others, 2))


# --- SeenIds ------------------------------------------------------------------------------------------------------


def test_an_id_is_new_once() -> None:
    """The first time an id is new, ever after it is not."""
    seen = SeenIds()
    assert "a" not in seen
    assert seen.add("a")
    assert "a" in seen
    assert not seen.add("a")
    assert len(seen) == 1
    assert repr(seen) == "<SeenIds 1>"
    assert 5 not in seen


@given(st.lists(st.text(max_size=3)), st.integers(0, 12))
def test_it_is_a_set(ids: list[str], first: int) -> None:
    """It behaves as a set does, wherever the first ids end and the packed ones begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "_FIRST", first)
        seen, known = SeenIds(), set[str]()
        for one in ids:
            assert (one in seen) is (one in known)
            assert seen.add(one) is (one not in known)
            known.add(one)
            assert len(seen) == len(known)


def test_full_buckets_keep_their_order() -> None:
    """Thousands of ids, many to a bucket, are all found again, and no other is."""
    seen = SeenIds()
    assert all(seen.add(f"job-{number}") for number in range(20_000))
    assert not any(seen.add(f"job-{number}") for number in range(20_000))
    assert all(f"job-{number}" in seen for number in range(20_000))
    assert not any(f"other-{number}" in seen for number in range(20_000))
    assert len(seen) == 20_000


def test_an_id_costs_few_bytes() -> None:
    """Forty thousand ids stay below 20 bytes each, fixed costs included."""
    tracemalloc.start()
    try:
        seen = SeenIds()
        for number in range(40_000):
            seen.add(str(number))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 800_000


def test_hashes_have_64_bits_everywhere() -> None:
    """Where Python's own hash is shorter, BLAKE2 stands in for it."""
    assert sys.hash_info.width >= 64 or os.name == "nt"
    hashes = {identity._blake64(f"job-{number}") for number in range(1000)} | {identity._blake64("\ud800")}
    assert len(hashes) == 1001
    assert all(-(2**63) <= number < 2**63 for number in hashes)
    assert max(hashes) > 2**61


# --- signed URLs ----------------------------------------------------------------------------------------------------

CLIP_URL = "https://clips.example.com/ep1/line-1.mp3"


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Algorithm=A&X-Amz-Credential=A%2F1&X-Amz-Date=2&X-Amz-Expires=3&X-Amz-SignedHeaders=h&X-Amz-Signature=a",
        "AWSAccessKeyId=A&Signature=abc%3D&Expires=1800000000",
        "OSSAccessKeyId=A&Expires=1800000000&Signature=abc",
        "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-date=20261128T0Z&x-oss-expires=60&x-oss-signature=1",
        "GoogleAccessId=a%40b&Expires=1&Signature=x",
        "X-Goog-Algorithm=G&X-Goog-Signature=1",
        "Policy=eyJ&Signature=x~&Key-Pair-Id=K",
        "sv=2024-11-04&st=2026-11-28T00%3A00Z&se=2026-11-29T00%3A00Z&sr=b&sp=r&sig=x%3D",
        "q-sign-algorithm=sha1&q-ak=A&q-sign-time=1%3B2&q-key-time=1%3B2&q-header-list=&q-url-param-list=&q-signature=f",
        "token=abc",
        "TOKEN=abc&expires=1",
        "auth_key=1800000000-0-0-abc",
        "ex=1&is=2&hm=3",
        "%53ignature=abc",
    ],
)
def test_a_signature_is_left_out(query: str) -> None:
    """Whoever signed it: what is left names the file alone."""
    assert without_signature(f"{CLIP_URL}?{query}") == CLIP_URL
    assert without_signature(f"{CLIP_URL}?take=2&{query}&v=a%20b#t=1") == f"{CLIP_URL}?take=2&v=a%20b#t=1"
    assert is_signed(f"{CLIP_URL}?{query}")


@pytest.mark.parametrize(
    "url",
    [
        CLIP_URL,
        f"{CLIP_URL}?",
        f"{CLIP_URL}?take=2&v=3",
        f"{CLIP_URL}?expires=never&e=5&st=1&sp=2&ex=1",
        f"{CLIP_URL}?designation=1&tokens=2&signature_tune=x",
        f"{CLIP_URL}#?token=1",
        "line-1.mp3?token=1",
        "QUJD",
        "",
        "https://",
        "https://h?&&=",
    ],
)
def test_what_is_no_signature_stays(url: str) -> None:
    """Names that sign only beside a signature, names that merely begin like one, and what is no URL."""
    assert without_signature(url) == url
    assert not is_signed(url)


def signed(request: LipSyncRequest, sound: str, session: str = "s", **changes: Any) -> LipSyncRequest:
    """A request with a URL as its sound."""
    face = evolve(request.face_choose[0], audio_id=None, sound_file=sound)
    return evolve(request, session_id=session, face_choose=(face,), **changes)


def test_the_core_of_a_request_is_what_it_asks_for() -> None:
    """Neither the session nor a URL's signature is part of it; all else is."""
    one = signed(PLAIN, f"{CLIP_URL}?X-Amz-Signature=1", callback_url="https://h.example.com/?token=1")
    two = signed(PLAIN, f"{CLIP_URL}?X-Amz-Signature=2", "t", callback_url="https://h.example.com/?token=2")
    assert core_fingerprint(one) == core_fingerprint(two) == core_fingerprint(evolve(two, external_task_id="x"))
    assert fingerprint(one) != fingerprint(two)
    others = [
        signed(PLAIN, f"{CLIP_URL}?take=2&X-Amz-Signature=1", callback_url="https://h.example.com/?token=1"),
        signed(PLAIN, f"{CLIP_URL}?X-Amz-Signature=1"),
        signed(PLAIN, f"{CLIP_URL}?X-Amz-Signature=1", extra_body={"model": "m"}),
        evolve(one, face_choose=(evolve(one.face_choose[0], sound_volume=2),)),
    ]
    assert len({core_fingerprint(other) for other in (one, *others)}) == 5


def test_the_core_counts_what_is_sent() -> None:
    """A session or a sound that `extra_body` puts in place is treated like the request's own."""
    faces = [{"face_id": "0", "sound_file": f"{CLIP_URL}?sig=1"}]
    one = evolve(PLAIN, extra_body={"session_id": "a", "face_choose": faces})
    two = evolve(PLAIN, extra_body={"session_id": "b", "face_choose": [{**faces[0], "sound_file": CLIP_URL}]})
    assert core_fingerprint(one) == core_fingerprint(two)
    for odd in (None, [], [5], "x", {"sound_file": 5}, [{"sound_file": 5}]):
        assert len(core_fingerprint(evolve(PLAIN, extra_body={"face_choose": odd}))) == 16


def test_the_core_of_a_sound_is_its_bytes() -> None:
    """A file, its bytes and its Base64 text are one sound, as for the fingerprint."""
    data = AudioBytes(b"1234")
    face = evolve(PLAIN.face_choose[0], audio_id=None, sound_file=data)
    text = evolve(face, sound_file=b"".join(data.slices()).decode())
    assert core_fingerprint(evolve(PLAIN, face_choose=(face,))) == core_fingerprint(evolve(PLAIN, face_choose=(text,)))


@given(
    session=st.text(st.characters(codec="utf-8"), max_size=12),
    face=st.text(st.characters(codec="utf-8"), max_size=12),
    link=st.sampled_from(["https://x.example/a.mp3", 'https://x.example/"session_id":"s",', "https://x.example/b?c=1"]),
    callback=st.sampled_from([None, "https://x.example/done"]),
)
def test_the_short_way_to_a_core_makes_the_same_bytes(session: str, face: str, link: str, callback: str | None) -> None:
    """Leaving the session out of what is hashed is the same as reading all, and writing it anew without."""
    asked = makers.request("x", session_id=session, face_id=face, audio_id=None, sound_file=link, callback_url=callback)
    said = canonical(asked)
    assert fingerprints(asked) == (fingerprint(asked), blake2b(identity._core(said), digest_size=16).digest())
    assert core_fingerprint(asked) == fingerprints(asked)[1]
