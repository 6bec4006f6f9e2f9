"""Which job is which: the derived id, the fingerprint of a request's content, and the ids that were seen."""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from hashlib import blake2b, sha256
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from attrs import asdict, evolve

from lipsync_async.models import FaceChoice, LipSyncRequest, SpeechSource, VideoSource

from .bodies import Body, canonical, encode_and_tell

_DIGITS = 40
"""Hex digits of a derived id: 160 bits."""
_PREFIX = re.compile(r"[A-Za-z0-9_-]*")


def derive_id(request: LipSyncRequest, *, prefix: str = "", max_length: int = 64) -> str:
    """The external_task_id that follows from a request's content: the same script run twice means the same jobs.

    It is `prefix` and 40 hex digits of the sha256 of prefix and canonical body; the key is no part of it.
    Where the request names its video, that and the face rule stand in place of session and face; where it names its
    text, that stands in place of the audio.
    Golden-tested: it never changes from version to version.
    Raises ValueError for a prefix with other characters than `A-Za-z0-9_-`, or too long for `max_length`;
    OSError when a sound file cannot be read.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"an id's prefix is made of A-Z a-z 0-9 _ -, not {prefix!r}")
    if len(prefix) + _DIGITS > max_length:
        raise ValueError(f"an id's prefix has at most {max(0, max_length - _DIGITS)} characters, not {len(prefix)}")
    return prefix + sha256(_content(request, prefix)).hexdigest()[:_DIGITS]


def fingerprint(request: LipSyncRequest) -> bytes:
    """16 bytes that stand for a request's content, its id apart. Raises OSError when a sound file cannot be read."""
    return blake2b(_content(request), digest_size=16).digest()


def core_fingerprint(request: LipSyncRequest) -> bytes:
    """16 bytes that stand for what a request asks for: its session, and the signatures of its URLs, left out.

    A session lives for a day and a signed URL for an hour; two requests that differ in nothing else are the same work.
    Raises OSError when a sound file cannot be read.
    """
    return fingerprints(request)[1]


def fingerprints(request: LipSyncRequest) -> tuple[bytes, bytes]:
    """`fingerprint` and `core_fingerprint`, for the price of one. Raises OSError as they do."""
    if names_source(request):
        content = fingerprint(request)
        return content, content
    return _fingerprints_of(request, canonical(request))


def body_and_fingerprints(request: LipSyncRequest, external_task_id: str) -> tuple[Body | None, bytes, bytes]:
    """The same two, and before them the create call's body where it costs little to make it beside them.

    Raises as `encode` and `fingerprints` do.
    """
    both = None if names_source(request) else encode_and_tell(request, external_task_id)
    if both is None:
        return None, *fingerprints(request)
    body, said = both
    return body, *_fingerprints_of(request, said)


def _fingerprints_of(request: LipSyncRequest, said: bytes) -> tuple[bytes, bytes]:
    if request.extra_body is None and b"?" not in said:
        return _two_hashes(said, b',"session_id":' + _encode_sorted(request.session_id))
    return blake2b(said, digest_size=16).digest(), blake2b(_core(said), digest_size=16).digest()


def _two_hashes(said: bytes, session: bytes) -> tuple[bytes, bytes]:
    """The hash of all of it, and of what is left without the session, which stands once at top level, near the end.

    Where no URL has a query, `_core` would make the same bytes.
    """
    before, session, after = said.partition(session)
    whole = blake2b(before, digest_size=16)
    core = whole.copy()
    core.update(after)
    whole.update(session + after)
    return whole.digest(), core.digest()


def names_source(request: LipSyncRequest) -> bool:
    """Whether a request says what its session, or its audio, was made of."""
    return request.source is not None or request.speech is not None


def _content(request: LipSyncRequest, prefix: str = "") -> bytes:
    """The bytes that an id and a fingerprint are made of; golden-tested."""
    if not names_source(request):
        return canonical(request, prefix=prefix)
    work = bare(request)
    made_of = {"request": msgspec.Raw(canonical(work)), "speech": _told_speech(work), "video": _told_video(work)}
    return prefix.encode() + _encode_sorted(made_of)


def bare(request: LipSyncRequest) -> LipSyncRequest:
    """What a request asks for, where it names its video or its text; any other request as it is.

    It holds neither what was made of the sources, nor any signature of a URL, nor a callback: whom it is told to is no
    part of the work.
    """
    if not names_source(request):
        return request
    video, speech = request.source, request.speech
    return evolve(
        request,
        session_id=request.session_id if video is None else "",
        face_choose=[_bare_face(face, video, speech) for face in request.face_choose],
        callback_url=None,
        source=video if video is None or video.url is None else evolve(video, url=without_signature(video.url)),
    )


def _bare_face(face: FaceChoice, video: VideoSource | None, speech: SpeechSource | None) -> FaceChoice:
    sound = face.sound_file
    return evolve(
        face,
        face_id=face.face_id if video is None else "",
        audio_id=face.audio_id if speech is None else None,
        sound_end_time=0 if speech is not None and speech.to_end else face.sound_end_time,
        sound_file=without_signature(sound) if isinstance(sound, str) else sound,
    )


def _told_video(request: LipSyncRequest) -> dict[str, str] | None:
    if request.source is None:
        return None
    video = request.source
    told = {"url": video.url, "video_id": video.video_id, "face": video.face}
    if video.file is not None:
        told["file"] = video.file.digest()
    return {name: value for name, value in told.items() if value is not None}


def _told_speech(request: LipSyncRequest) -> dict[str, str | float] | None:
    if request.speech is None:
        return None
    return {**asdict(request.speech), "speed": float(request.speech.speed)}


def name_of_video(video: VideoSource) -> str:
    """What stands for a video in a journal: the same however its URL is signed, and whichever face is meant.

    Raises OSError where a file cannot be read.
    """
    if video.file is not None:
        return f"file:{video.file.digest()}"
    return f"id:{video.video_id}" if video.url is None else f"url:{without_signature(video.url)}"


def name_of_speech(speech: SpeechSource) -> str:
    """What stands for a text that a voice speaks: made of the words, the voice, its language and its speed."""
    said = [speech.text, speech.voice_id, speech.language, float(speech.speed)]
    return f"text:{blake2b(_encode_sorted(said), digest_size=16).hexdigest()}"


def _core(said: bytes) -> bytes:
    values = msgspec.json.decode(said)
    values.pop("session_id", None)
    _strip(values, "callback_url")
    faces = values.get("face_choose")
    for face in faces if isinstance(faces, list) else ():
        _strip(face, "sound_file")
    return _encode_sorted(values)


_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def _strip(values: Any, name: str) -> None:
    if isinstance(values, dict) and isinstance(values.get(name), str):
        values[name] = without_signature(values[name])


# --- signed URLs ----------------------------------------------------------------------------------------------------

_SIGNING = re.compile(
    r"x-(?:amz|goog|oss|tos|obs|ms|bce)-(?:algorithm|credential|date|expires|signedheaders|signature"
    r"|security-token|signature-version|additional-headers)|x-cos-security-token|security-token"
    r"|q-(?:sign-algorithm|ak|sign-time|key-time|header-list|url-param-list|signature)"
    r"|signature|sig|sign|hmac|token|access[_-]?token|auth[_-]?key|auth[_-]?token|authorization|wssecret|wstime"
    r"|(?:oss|aws)?accesskeyid|googleaccessid|key-pair-id|hdnts|hdnea|__token__|__gda__"
)
"""Names of a query's fields that sign it, in small letters: S3, Google, OSS, COS, OBS, TOS, CloudFront, Akamai ..."""
_TIMES = {"expires", "expiry", "exp", "e", "policy"}
_AZURE = {"sv", "sr", "ss", "srt", "se", "st", "sp", "spr", "sip", "sdd", "skoid", "sktid", "skt", "ske", "sks", "skv"}
_DISCORD = {"ex", "is", "hm"}
"""Names that belong to a signature only where one is there: these three are one together."""
_WEB = ("http://", "https://")


def again(request: LipSyncRequest, external_task_id: str, number: int, *, max_length: int) -> LipSyncRequest:
    """The request under the id of its so-manieth submission after the first: `<id>-r1`, `<id>-r2` ...

    Always the same for the same id and number; an id without room is cut, and a hash of the whole put in.
    """
    ending = f"-r{number}"
    name = f"{external_task_id}{ending}"
    if len(name) > max_length:
        mark = blake2b(external_task_id.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        name = f"{external_task_id[: max_length - len(mark) - len(ending) - 1]}-{mark}{ending}"
    return evolve(request, external_task_id=name)


def without_signature(url: str) -> str:
    """A URL without the fields of its query that sign it and tell when it ends; any other text as it is.

    What names the file, and every other field, stays as it was written, in its order.
    """
    if "?" not in url or not url[:8].lower().startswith(_WEB):
        return url
    rest, hash_sign, fragment = url.partition("#")
    place, _, query = rest.partition("?")
    fields = [(_name(field), field) for field in query.split("&")]
    signing = _signing({name for name, _ in fields})
    if not signing:
        return url
    query = "&".join(field for name, field in fields if name not in signing)
    return f"{place}{'?' if query else ''}{query}{hash_sign}{fragment}"


def is_signed(url: str) -> bool:
    """Whether a URL carries a signature, so that it will be another one the next time it is made."""
    return without_signature(url) != url


def _name(field: str) -> str:
    return unquote_plus(field.partition("=")[0]).lower()


def _signing(names: set[str]) -> set[str]:
    """Those of a query's names that sign it; empty where none does."""
    signing = {name for name in names if _SIGNING.fullmatch(name)}
    if "sig" in names and "sv" in names:
        signing |= _AZURE
    if names >= _DISCORD:
        signing |= _DISCORD
    return signing and signing | _TIMES


def _blake64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


# Python's own hash is SipHash with a secret key, of 64 bits where pointers are, and costs next to nothing.
hash64 = hash if sys.hash_info.width >= 64 else _blake64
_FIRST = 1 << 12
"""Ids that are told by a plain set, at 60 bytes an id and a tenth of the time: what is packed is seldom in a cache."""
_BUCKETS = 1024


class SeenIds:
    """A set of ids that only grows, at some 9 bytes an id after the first four thousand.

    Those are packed 8-byte hashes, sorted, in 1,024 small arrays: no array is ever rehashed, so no `add` takes long.
    An id that is new is taken for one that was seen with odds of n / 2**64 (n ids seen before):
    3 in 10**8 that it happens once among a million.
    """

    __slots__ = ("_buckets", "_first")

    def __init__(self) -> None:
        self._first: set[int] = set()
        self._buckets: list[array[int] | None] = []
        """There once the first ones are full."""

    def __repr__(self) -> str:
        return f"<SeenIds {len(self)}>"

    def __len__(self) -> int:
        return len(self._first) + sum(map(len, filter(None, self._buckets)))

    def add(self, external_task_id: str) -> bool:
        """Remembers an id; True when it is new."""
        number = hash64(external_task_id)
        if self._buckets:
            return number not in self._first and self._put(number)
        first = self._first
        before = len(first)
        first.add(number)
        if before == _FIRST:
            self._buckets = [None] * _BUCKETS
        return len(first) > before

    def _put(self, number: int) -> bool:
        bucket = self._buckets[number % _BUCKETS]
        if bucket is None:
            self._buckets[number % _BUCKETS] = array("q", (number,))
            return True
        place = bisect_left(bucket, number)
        if place < len(bucket) and bucket[place] == number:
            return False
        bucket.insert(place, number)
        return True

    def __contains__(self, external_task_id: object) -> bool:
        if not isinstance(external_task_id, str):
            return False
        number = hash64(external_task_id)
        if number in self._first or not self._buckets:
            return number in self._first
        bucket = self._buckets[number % _BUCKETS] or ()
        place = bisect_left(bucket, number)
        return place < len(bucket) and bucket[place] == number
