"""Files, bytes and Base64 as sounds: values that compare, files that change, and what leaves of them."""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import time
from pathlib import Path

import pytest

from lipsync_async.request.audio import SLICE, AudioBytes, AudioChanged, AudioFile, base64_size
from tests.clips.build import CLIPS, clip, wav
from tests.request.audio.helpers import told

# --- files and bytes ------------------------------------------------------------------------------------------------


def test_file(tmp_path: Path) -> None:
    """A file is probed once, and tells path, size and container."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    sound = AudioFile(str(path))
    assert sound.path == path
    assert (sound.size, sound.info.duration) == (len(wav()), 3.0)
    assert repr(sound) == f"<AudioFile {str(path)!r}, 48044 bytes, wav>"
    assert sound.digest() == sound.digest() == hashlib.sha256(wav()).hexdigest()


def test_bytes() -> None:
    """Bytes have the interface of a file, and no content in their repr."""
    sound = AudioBytes(wav())
    assert repr(sound) == "<AudioBytes 48044 bytes, wav>"
    assert sound.info == told(wav())
    assert sound.digest() == sound.digest() == hashlib.sha256(wav()).hexdigest()
    assert b"".join(sound.slices()) == base64.b64encode(wav())


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), b"abc"])
def test_bytes_of_any_kind(data: bytes) -> None:
    """A bytearray or memoryview is copied, so that it can't change."""
    assert AudioBytes(data) == AudioBytes(b"abc")


@pytest.mark.parametrize("data", [5, "abc", None, [1]])
def test_what_is_not_bytes(data: object) -> None:
    """Anything else is a mistake: bytes(5) would be five zeros."""
    with pytest.raises(TypeError, match="sound must be bytes, not"):
        AudioBytes(data)


@pytest.mark.parametrize("size", [0, 1, 2, 3, SLICE - 1, SLICE, SLICE + 1, 2 * SLICE])
def test_slices(tmp_path: Path, size: int) -> None:
    """The slices join to the Base64 of the file, of exactly the promised length."""
    path = tmp_path / "a"
    path.write_bytes(data := (b"\xff\xd8\xff" * size)[:size])
    for sound in (AudioFile(path), AudioBytes(data)):
        text = b"".join(sound.slices())
        assert text == base64.b64encode(data)
        assert len(text) == sound.base64_length
        assert all(len(piece) <= SLICE * 4 // 3 for piece in sound.slices())


@pytest.mark.parametrize("sound", [AudioFile(CLIPS / "mp3_2.mp3"), AudioBytes(clip("mp3_2.mp3"))])
def test_values(sound: AudioFile | AudioBytes) -> None:
    """Both are values: frozen, hashable, equal to their pickled selves, also once the digest is known."""
    again = pickle.loads(pickle.dumps(sound))
    sound.digest()
    assert {sound, again, pickle.loads(pickle.dumps(sound))} == {sound}
    assert again.info == sound.info
    assert b"".join(again.slices()) == b"".join(sound.slices())
    with pytest.raises(AttributeError):
        sound.info = told(b"")  # type: ignore[misc]


def test_another_file_is_another_value(tmp_path: Path) -> None:
    """The same path with another size or time is another file."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    first = AudioFile(path)
    path.write_bytes(b"abcd")
    assert AudioFile(path) != first


def test_no_file(tmp_path: Path) -> None:
    """What is no regular file raises as open does, at once."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        AudioFile(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        AudioFile(tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        AudioFile(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        AudioFile("/dev/null")


# --- files that change ----------------------------------------------------------------------------------------------


def later(path: Path) -> None:
    """Move the modification time on, for a file system whose clock is coarse."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


def append(path: Path) -> None:
    """Make it longer."""
    path.write_bytes(path.read_bytes() + b"more")


def truncate(path: Path) -> None:
    """Make it shorter."""
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path) -> None:
    """Other content of the same size."""
    path.write_bytes(bytes(path.stat().st_size))
    later(path)


def replace(path: Path) -> None:
    """Another file in its place, of the same size, content and time."""
    found, other = path.stat(), path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


def touch(path: Path) -> None:
    """A later time alone: nobody knows what happened in between."""
    later(path)


def remove(path: Path) -> None:
    """No file any more."""
    path.unlink()


def make_directory(path: Path) -> None:
    """A directory in its place."""
    path.unlink()
    path.mkdir()


CHANGES = [append, truncate, rewrite, replace, touch, remove, make_directory]


@pytest.fixture
def file(tmp_path: Path) -> AudioFile:
    """A WAV file that is sent in two slices."""
    (tmp_path / "a.wav").write_bytes(wav())
    return AudioFile(tmp_path / "a.wav")


@pytest.mark.parametrize("change", CHANGES)
def test_changed_before(file: AudioFile, change: object) -> None:
    """Of a file that changed after the check nothing leaves, and it has no digest."""
    assert callable(change)
    change(file.path)
    with pytest.raises(AudioChanged, match="changed after it was checked"):
        next(file.slices())
    with pytest.raises(AudioChanged):
        file.digest()


@pytest.mark.parametrize("change", CHANGES)
def test_changed_meanwhile(file: AudioFile, change: object) -> None:
    """Of a file that changes while it is sent the last slice never leaves."""
    assert callable(change)
    slices = file.slices()
    first = next(slices)
    change(file.path)
    with pytest.raises(AudioChanged) as caught:
        list(slices)
    assert len(first) < file.base64_length
    assert caught.value.filename == str(file.path)


def test_changed_without_a_trace(file: AudioFile) -> None:
    """A rewrite that size, time and inode do not show is seen by its content, once the digest is known."""
    file.digest()
    file.path.write_bytes(bytes(file.size))
    os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns))
    slices = file.slices()
    next(slices)
    with pytest.raises(AudioChanged):
        list(slices)


def test_a_fresh_file_that_changed_without_a_trace(file: AudioFile) -> None:
    """Just written, it may be written again within one tick: what was sent once is what is sent again, or nothing."""
    list(file.slices())
    file.path.write_bytes(bytes(file.size))
    os.utime(file.path, ns=(file.mtime_ns, file.mtime_ns))
    with pytest.raises(AudioChanged):
        list(file.slices())


@pytest.mark.parametrize(("age", "hashed"), [(-60, True), (1, True), (60, False)])
def test_only_a_fresh_file_is_hashed_as_it_is_sent(tmp_path: Path, age: int, hashed: bool) -> None:
    """Any write to an older one shows in its time, and a time to come tells nothing."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    written = time.time_ns() - age * 10**9
    os.utime(path, ns=(written, written))
    sound = AudioFile(path)
    assert b"".join(sound.slices()) == base64.b64encode(wav())
    assert (sound._digest is not None) is hashed
    assert sound.digest() == hashlib.sha256(wav()).hexdigest()
    path.write_bytes(bytes(sound.size))
    later(path)
    with pytest.raises(AudioChanged):
        next(sound.slices())


def test_empty_file_that_vanishes(tmp_path: Path) -> None:
    """An empty file has no slices, and is checked all the same."""
    (tmp_path / "a").touch()
    sound = AudioFile(tmp_path / "a")
    assert list(sound.slices()) == []
    sound.path.unlink()
    with pytest.raises(AudioChanged):
        list(sound.slices())


def test_changed_error_is_a_value(file: AudioFile) -> None:
    """The error survives pickling, file name and all."""
    file.path.unlink()
    with pytest.raises(AudioChanged) as caught:
        list(file.slices())
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (AudioChanged, str(caught.value))


def open_files() -> int:
    """How many files this process has open; 0 where that can't be seen."""
    seen = Path("/proc/self/fd")
    return len(list(seen.iterdir())) if seen.exists() else 0


def test_slices_left_early_close_the_file(file: AudioFile) -> None:
    """A sender that gives up leaves no file open."""
    before = open_files()
    slices = file.slices()
    next(slices)
    slices.close()  # type: ignore[attr-defined]
    assert open_files() == before


# --- Base64 that is given as text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 3, 48, 49_150, 49_152, 49_153, 200_000])
def test_base64_is_measured(size: int) -> None:
    """Base64 text is as large as what it holds."""
    assert base64_size(base64.b64encode(bytes(range(256)) * 800)[: (size + 2) // 3 * 4].decode()) == (size + 2) // 3 * 3
    assert base64_size(base64.b64encode(b"\xfb" * size).decode()) == size


@pytest.mark.parametrize(
    "text",
    [
        "QUJD=",
        "QUJ",
        "QQ",
        "Q===",
        "====",
        "QUJ-",
        "QUJ_",
        "QU JD",
        "QUJD\n",
        "Q=JD",
        "data:audio/mp3;base64,QUJD",
        "QUJé",
        "QUJＤ",
    ],
)
def test_what_is_not_base64(text: str) -> None:
    """Another alphabet, white space, missing or misplaced padding: not Base64."""
    assert base64_size(text) is None


def test_base64_is_read_to_its_end() -> None:
    """A fault far behind is found."""
    assert base64_size("QUJD" * 50_000 + "QU?D") is None
