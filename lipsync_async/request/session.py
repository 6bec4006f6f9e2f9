"""The session of a video whose faces were identified, and how it becomes part of a request (contract, section 1)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, frozen

from lipsync_async.errors import InvalidRequestError, Violation
from lipsync_async.models import LipSyncRequest, VideoSource

from .builder import RequestBuilder
from .checks import Facts
from .faces import Face, choose_face

LIFE = 24 * 3600.0
"""Seconds for which a session can be used, as far as is known."""


def _as_tuple(faces: Sequence[Face]) -> tuple[Face, ...]:
    return tuple(faces)


@frozen(kw_only=True)
class FaceSession:
    """A video whose faces were identified: what jobs of that video need.

    `session.builder()` starts a request.
    """

    session_id: str
    faces: tuple[Face, ...] = field(converter=_as_tuple)
    """At least one."""
    video: VideoSource
    """The video; its `face` is the default of `builder`."""
    opened_at: float
    """When it was asked for, in Unix seconds."""
    video_length: int | None = None
    """Milliseconds; None: not known."""
    units: str | None = None
    """What was charged, as the gateway tells it."""

    @property
    def expires_at(self) -> float:
        """When it runs out, as far as is known: 24 h after it was asked for, in Unix seconds."""
        return self.opened_at + LIFE

    def builder(self, face: str | None = None) -> RequestBuilder:
        """Starts a request for a face of this video; `build` checks it against what is known of the face.

        `face` is `only`, `first`, `longest` or a `face_id`; None: what the video's source says, by default `only`.
        A face that cannot be chosen is reported by `build`, with all faces that there are.
        """
        video = self.video if face is None else evolve(self.video, face=face)
        return RequestBuilder(
            session_id=self.session_id, source=video, faces=self.faces, video_length=self.video_length
        ).face(video.face)

    def facts(self, face: str | None = None) -> Facts:
        """What the checks make use of, for a face as in `builder`; without a face where none can be chosen."""
        chosen = choose_face(self.faces, self.video.face if face is None else face)
        return Facts(video_length=self.video_length, face=chosen if isinstance(chosen, Face) else None)

    def complete(self, request: LipSyncRequest) -> LipSyncRequest:
        """The request with this session, and with the face that its own source names.

        Its id and fingerprint stay as they were.
        Raises `InvalidRequestError` where the face cannot be chosen.
        """
        chosen = choose_face(self.faces, (request.source or self.video).face)
        if isinstance(chosen, Violation):
            raise InvalidRequestError([chosen], external_task_id=request.external_task_id)
        faces = [evolve(face, face_id=chosen.face_id) for face in request.face_choose]
        return evolve(request, session_id=self.session_id, face_choose=faces)
