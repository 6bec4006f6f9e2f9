"""The face of a video: a rule, or an id, and no word that is neither."""

from __future__ import annotations

import pytest

from lipsync_async.models import VideoSource
from lipsync_async.request.checks.origin import video_faults


@pytest.mark.parametrize("face", ["only", "first", "longest", "0", "-1", "face_0", "a1b2c3", "x", "2nd", "最大1"])
def test_a_rule_or_an_id_is_taken(face: str) -> None:
    """Ids are the gateway's own, and whatever is not plainly a word may be one."""
    assert not list(video_faults("source", VideoSource(video_id="v", face=face)))


@pytest.mark.parametrize("face", ["biggest", "First", "left", "the one", "left-most", "最大", "x" * 64])
def test_a_word_that_is_no_rule_is_refused(face: str) -> None:
    """Before the video is paid for."""
    (fault,) = video_faults("source", VideoSource(video_id="v", face=face))
    assert (fault.path, fault.rule) == ("source.face", "face_rule")
    assert fault.message.startswith("must be only, first or longest, or the id of a face such as 0: ")
    assert len(fault.message) < 150
