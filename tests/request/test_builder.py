"""The builder: immutable steps, sensible defaults, all faults at once."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from lipsync_async.errors import InvalidRequestError
from lipsync_async.gateways import CHAINHUB, KLING, Gateway
from lipsync_async.request.audio import AudioBytes, AudioFile
from lipsync_async.request.builder import RequestBuilder
from lipsync_async.request.checks import Facts, check
from tests.makers import request, wav

SILENT = RequestBuilder().session("825465778199224380").face("-1")
HUGE: Any = 10**5000
TEMPLATE = SILENT.audio_id("825451760499568680").window(0, 5000, 1000)


def faults(builder: RequestBuilder, gateway: Gateway | None = None) -> list[tuple[str, str]]:
    """What `build` raises, as path and rule."""
    with pytest.raises(InvalidRequestError) as caught:
        builder.build(gateway)
    return [(v.path.removeprefix("face_choose[0]."), v.rule) for v in caught.value.violations]


def end_of(builder: RequestBuilder) -> int:
    """The end that the builder settles on."""
    return builder.build().face_choose[0].sound_end_time


def test_every_step_finds_its_field() -> None:
    """The seeds' example and all options, built."""
    built = (
        TEMPLATE.volume(2, 0)
        .external_task_id("job-1")
        .callback("https://example.com/hook")
        .watermark(True)
        .extra(model="kling-v1")
        .build()
    )
    assert built == request(
        "job-1",
        sound_volume=2,
        original_audio_volume=0,
        callback_url="https://example.com/hook",
        watermark_info={"enabled": True},
        extra_body={"model": "kling-v1"},
    )


def test_defaults() -> None:
    """The window begins at 0 and is inserted at 0, the volumes are 1, and what is not said is not sent."""
    built = SILENT.audio_bytes(wav(3)).build()
    face = built.face_choose[0]
    assert (face.sound_start_time, face.sound_end_time, face.sound_insert_time) == (0, 3000, 0)
    assert (face.sound_volume, face.original_audio_volume, face.audio_id) == (1, 1, None)
    assert [built.external_task_id, built.callback_url, built.watermark_info, built.extra_body] == [None] * 4


STEPS: dict[str, Any] = {
    "session": lambda b: b.session("other"),
    "face": lambda b: b.face("7"),
    "audio_id": lambda b: b.audio_id("other"),
    "audio_url": lambda b: b.audio_url("https://example.com/a.mp3"),
    "audio_file": lambda b: b.audio_file("/no/such/file"),
    "audio_bytes": lambda b: b.audio_bytes(wav(3)),
    "window": lambda b: b.window(1, 3001, 2),
    "volume": lambda b: b.volume(2, 2),
    "external_task_id": lambda b: b.external_task_id("x"),
    "callback": lambda b: b.callback("https://example.com"),
    "watermark": lambda b: b.watermark(False),
    "extra": lambda b: b.extra(model="x"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_never_changes_its_parent(step: str) -> None:
    """Every step returns another builder and leaves its own as it was."""
    parent = TEMPLATE.extra(seed=1)
    before = parent.build()
    child = STEPS[step](parent)
    assert child != parent
    assert parent.build() == before


def test_a_template_makes_many_jobs() -> None:
    """A thousand jobs from one template differ by what was said of each."""
    built = [TEMPLATE.external_task_id(f"job-{n}").build() for n in range(1000)]
    assert len({one.external_task_id for one in built}) == 1000
    assert {one.session_id for one in built} == {"825465778199224380"}


def test_the_file_is_read_once_for_all(tmp_path: Path) -> None:
    """The requests of one template share one probed file."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav(3))
    template = SILENT.audio_file(path)
    path.unlink()
    first, second = template.external_task_id("a").build(), template.window(500).build()
    assert first.face_choose[0].sound_file is second.face_choose[0].sound_file
    assert isinstance(first.face_choose[0].sound_file, AudioFile)


def test_each_sound_replaces_the_former() -> None:
    """The last sound counts, and a fault goes with the sound that had it."""
    builder = TEMPLATE.audio_file("/no/such/file").audio_url("https://example.com/a.mp3").audio_bytes(wav(6))
    face = builder.build().face_choose[0]
    assert (face.audio_id, type(face.sound_file)) == (None, AudioBytes)
    assert builder.audio_id("x").build().face_choose[0].sound_file is None
    assert (
        builder.audio_url("https://example.com/b.mp3").build().face_choose[0].sound_file == "https://example.com/b.mp3"
    )


def test_extra_is_merged() -> None:
    """Later fields are laid over earlier ones."""
    assert TEMPLATE.extra(a=1, b=1).extra(b=2, c=2).build().extra_body == {"a": 1, "b": 2, "c": 2}


# ---- the window's end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "start", "end"),
    [
        (3, 0, 3000),
        (5, 3000, 5000),
        (60, 0, 60_000),
        (60.05, 0, 60_000),
        (60.05, 40, 60_040),
        (60.05, 100, 60_050),
        (4.1, 2100, 4100),
        (1.95, 0, 2000),
        (4.95, 3000, 5000),
        (2.0006, 0, 2000),
    ],
)
def test_an_end_that_is_left_out(seconds: float, start: int, end: int) -> None:
    """It is the sound's own, at most a minute after the start, at least 2 s where 0.1 s of doubt allows."""
    assert end_of(SILENT.audio_bytes(wav(seconds)).window(start)) == end


def test_a_sound_that_is_too_short_for_its_window() -> None:
    """What is surely too short is refused, with the window that was made of it."""
    builder = SILENT.audio_bytes(wav(1.8))
    assert faults(builder) == [("sound_file", "sound_too_short"), ("sound_end_time", "window_too_short")]
    assert faults(SILENT.audio_bytes(wav(3)).window(1500)) == [("sound_end_time", "window_too_short")]


@pytest.mark.parametrize(
    "builder", [SILENT.audio_id("x"), SILENT.audio_url("https://example.com/a.mp3"), SILENT.audio_id("x").window(100)]
)
def test_an_end_that_can_not_be_known(builder: RequestBuilder) -> None:
    """Without a length the end must be given, and the violation says so."""
    (violation,) = builder.check()
    assert (violation.path, violation.rule) == ("face_choose[0].sound_end_time", "window_end_unknown")
    assert "window(end=...)" in violation.message
    assert end_of(builder.window(end=2000)) == 2000


def test_a_wrong_start_is_told_alone() -> None:
    """A start that is no number does not make the end a fault as well."""
    wrong: Any = "0"
    assert faults(SILENT.audio_bytes(wav(3)).window(wrong)) == [("sound_start_time", "not_an_integer")]


def test_no_sound_says_nothing_of_the_end() -> None:
    """Without any sound it is the sound that is missing, not its end."""
    assert faults(SILENT) == faults(SILENT.audio_id("")) == [("face_choose[0]", "no_sound")]


# ---- faults ----------------------------------------------------------------------------------------------------------


def test_build_carries_all_violations() -> None:
    """One error holds everything that is wrong, and knows the job."""
    builder = (
        RequestBuilder()
        .audio_file("/no/such/file")
        .window(-1, 1, -1)
        .volume(3, -1)
        .external_task_id("a b")
        .callback("x")
        .extra(x={1})
    )
    with pytest.raises(InvalidRequestError) as caught:
        builder.build()
    assert [v.rule for v in caught.value.violations] == [
        "empty",
        "empty",
        "unreadable_file",
        "negative_time",
        "negative_time",
        "window_too_short",
        "volume_out_of_range",
        "volume_out_of_range",
        "id_characters",
        "url_scheme",
        "not_json",
    ]
    assert caught.value.external_task_id == "a b"
    assert pickle.loads(pickle.dumps(caught.value)).violations == caught.value.violations


def test_an_id_that_is_no_text() -> None:
    """The error names no id where there is none worth the name."""
    wrong: Any = 5
    with pytest.raises(InvalidRequestError) as caught:
        TEMPLATE.external_task_id(wrong).build()
    assert caught.value.external_task_id is None


@pytest.mark.parametrize("path", ["/no/such/file.mp3", "/tmp", "a\x00b", "", "a" * 5000, None, b"RIFF"])
def test_a_file_that_can_not_be_read(path: Any) -> None:
    """The step itself never raises; `build` tells the one fault, and no more of the path than is a path."""
    (violation,) = SILENT.audio_file(path).check()
    assert (violation.path, violation.rule) == ("face_choose[0].sound_file", "unreadable_file")
    assert len(violation.message) < 200


def test_bytes_that_are_none() -> None:
    """A text in the place of bytes is told as such."""
    wrong: Any = "RIFF"
    assert faults(SILENT.audio_bytes(wrong)) == [("sound_file", "not_a_sound")]


@pytest.mark.parametrize(
    ("url", "rule"), [("AAAA", "url_scheme"), ("https://", "url_host"), ("", "url_scheme"), (5, "not_a_string")]
)
def test_audio_url_takes_urls_only(url: Any, rule: str) -> None:
    """What the field would take for Base64 is no URL here."""
    assert faults(SILENT.audio_url(url)) == [("sound_file", rule)]


def test_warnings_do_not_raise() -> None:
    """A clip near the limit is built; `check` tells of the doubt."""
    builder = SILENT.audio_bytes(wav(2))
    assert end_of(builder) == 2000
    assert [(v.rule, v.severity) for v in builder.check()] == [("sound_length_borderline", "warning")]


# ---- gateways and facts ----------------------------------------------------------------------------------------------


def test_without_a_gateway_only_common_rules_hold() -> None:
    """Fractions, zeros and AAC are for the client's gateway; a named one has them checked here."""
    half = TEMPLATE.volume(0.5, 0)
    assert half.check() == check(half.build(), KLING) == []
    assert faults(half, CHAINHUB) == [("sound_volume", "volume_fractional")]
    assert [v.rule for v in half.check(CHAINHUB)] == ["volume_fractional", "volume_zero_dropped"]


def test_ids_of_another_length() -> None:
    """64 characters are the common limit; a gateway may take more."""
    long = TEMPLATE.external_task_id("a" * 65)
    assert faults(long) == [("external_task_id", "id_too_long")]
    assert long.build(Gateway(name="x", base_url="https://x.test", max_id_length=65)).external_task_id == "a" * 65


def test_facts() -> None:
    """What identify-face told is heeded."""
    with pytest.raises(InvalidRequestError, match="the video ends at 5999 ms"):
        TEMPLATE.build(facts=Facts(video_length=5999))


# ---- repr ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("builder", "told"),
    [
        (SILENT, "no sound"),
        (SILENT.audio_id("77"), "audio '77'"),
        (SILENT.audio_id("7" * 100), f"audio '{'7' * 60}'"),
        (SILENT.audio_id(HUGE), "audio <int>"),
        (SILENT.audio_url("https://example.com/a"), "'https://example.com/a'"),
        (SILENT.audio_file("/no/such/file"), "a sound that can't be used"),
        (SILENT.audio_bytes(wav(2)), "<AudioBytes 32044 bytes, wav>"),
    ],
)
def test_repr(builder: RequestBuilder, told: str) -> None:
    """It tells the session, the face and the sound, and holds no audio."""
    assert repr(builder) == f"<RequestBuilder session '825465778199224380', face '-1', {told}>"
