"""The faces of a video, and the rule by which one of them is chosen (contract, sections 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from attrs import frozen

from lipsync_async.errors import Violation

FACE = "face_choose[0].face_id"
"""Where a violation of the rule is told."""
FACE_RULES = frozenset({"only", "first", "longest"})
"""Words that choose a face; any other text is a `face_id`."""
_TOLD = 8
"""Faces that a violation lists."""
_PICTURE = 300
"""Characters of a picture's URL that a violation shows."""


@frozen(kw_only=True)
class Face:
    """A face that identify-face found."""

    face_id: str
    interval: tuple[int, int] | None = None
    """When it is first and last visible, in milliseconds; None: not told."""
    picture: str | None = None
    """The URL of a picture of it; None: not told."""

    def __str__(self) -> str:
        """Id, interval and picture, as a violation lists them."""
        seen = "no interval told" if self.interval is None else f"{self.interval[0]} to {self.interval[1]} ms"
        return f"{self.face_id!r} ({seen}{', ' + self.picture[:_PICTURE] if self.picture else ''})"


def choose_face(faces: Sequence[Face], rule: str = "only") -> Face | Violation:
    """The face that a rule names, or a violation that lists the faces that there are.

    `only`: the one that there is; more than one is a violation.
    `first`: the one that is visible first.
    `longest`: the one that is visible for the longest time.
    Any other rule is a `face_id`.
    Of two that are alike the one that was told first is taken.
    """
    if not faces:
        return Violation(FACE, "no_face", "the video shows no face")
    if rule == "only":
        told = f"the video shows {len(faces)} faces, so say which one is meant (first, longest, or an id)"
        return faces[0] if len(faces) == 1 else Violation(FACE, "several_faces", f"{told}: {listed(faces)}")
    if rule == "first":
        return min(faces, key=_begin)
    if rule == "longest":
        return max(faces, key=_length)
    found = next((face for face in faces if face.face_id == rule), None)
    return found or Violation(FACE, "unknown_face", f"there is no such face in this video; it shows {listed(faces)}")


def listed(faces: Sequence[Face]) -> str:
    """The faces in words, each with its id, interval and picture."""
    rest = f"; and {len(faces) - _TOLD} more" if len(faces) > _TOLD else ""
    return "; ".join(map(str, faces[:_TOLD])) + rest


def _begin(face: Face) -> float:
    return math.inf if face.interval is None else face.interval[0]


def _length(face: Face) -> float:
    return -math.inf if face.interval is None else face.interval[1] - face.interval[0]
