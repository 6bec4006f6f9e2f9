"""What a release writes, and what stops it; the building is the builder's own."""

from __future__ import annotations

import runpy
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
RELEASE = runpy.run_path(str(ROOT / ".ci" / "release.py"), run_name="release")
CHANGES = "# Changelog\n\n## [Unreleased]\n\n### Added\n- One thing.\n\n## [0.1.0] - 2026-01-01\n- First.\n"
PROJECT = '[project]\nname = "x"\nversion = "0.1.9"\n\n[other]\nversion = "0.0.1"\n'


def test_what_was_unreleased_is_the_versions() -> None:
    """With an empty part for what comes next above it."""
    assert RELEASE["dated"](CHANGES, "0.2.0", "2026-11-28") == (
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-28\n\n### Added\n- One thing.\n\n"
        "## [0.1.0] - 2026-01-01\n- First.\n"
    )


@pytest.mark.parametrize(
    ("changelog", "why"),
    [
        (CHANGES.replace("- One thing.\n", ""), "is empty"),
        (CHANGES.replace("[Unreleased]", "[Next]"), "has no part"),
        (CHANGES.replace("0.1.0", "0.2.0"), "has 0.2.0 already"),
    ],
)
def test_a_changelog_that_is_not_ready_stops_it(changelog: str, why: str) -> None:
    """Nothing is written then."""
    with pytest.raises(RELEASE["ReleaseError"], match=why):
        RELEASE["dated"](changelog, "0.2.0", "2026-11-28")


@pytest.mark.parametrize("version", ["0.1.10", "0.2.0", "1.0.0"])
def test_the_version_is_set_once(version: str) -> None:
    """Where the project's own stands; 0.1.10 is above 0.1.9."""
    done = tomllib.loads(RELEASE["numbered"](PROJECT, version))
    assert (done["project"]["version"], done["other"]["version"]) == (version, "0.0.1")


@pytest.mark.parametrize("version", ["0.1.9", "0.1.8", "0.0.10", "", "0.2", "v0.2.0", "0.02.0", "0.2.0rc1"])
def test_a_version_that_is_not_above_stops_it(version: str) -> None:
    """And so does what is none."""
    with pytest.raises(RELEASE["ReleaseError"]):
        RELEASE["numbered"](PROJECT, version)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of two files, all committed; building is left out."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGES, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    for command in ("init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm x"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    for name, path in (("ROOT", tmp_path), ("CHANGELOG", tmp_path / "CHANGELOG.md")):
        monkeypatch.setitem(globals_of_release(), name, path)
    monkeypatch.setitem(globals_of_release(), "PROJECT", tmp_path / "pyproject.toml")
    return tmp_path


def globals_of_release() -> dict[str, Any]:
    """What its functions see."""
    found: dict[str, Any] = RELEASE["release"].__globals__
    return found


def both(folder: Path) -> tuple[str, str]:
    """The two files."""
    return (folder / "CHANGELOG.md").read_text("utf-8"), (folder / "pyproject.toml").read_text("utf-8")


def test_nothing_is_uploaded_unless_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both files are written, and what is left to do is said."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setitem(globals_of_release(), "_build", lambda _: ["dist/a.whl", "dist/a.tar.gz"])
    monkeypatch.setitem(globals_of_release(), "_run", lambda *command: ran.append(command))
    RELEASE["release"]("0.2.0", upload=False)
    assert ran == []
    assert "## [0.2.0]" in both(checkout)[0]
    assert 'version = "0.2.0"' in both(checkout)[1]
    assert "git tag v0.2.0" in capsys.readouterr().out


def test_it_uploads_where_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two files, and nothing else of that folder."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setitem(globals_of_release(), "_build", lambda _: ["dist/a.whl", "dist/a.tar.gz"])
    monkeypatch.setitem(globals_of_release(), "_run", lambda *command: ran.append(command))
    RELEASE["release"]("0.2.0", upload=True)
    assert [command[1:] for command in ran] == [("-m", "twine", "upload", "dist/a.whl", "dist/a.tar.gz")]


def test_a_check_that_fails_leaves_all_as_it_was(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release can be tried again."""

    def fail(_: str) -> list[str]:
        raise subprocess.CalledProcessError(1, "make")

    monkeypatch.setitem(globals_of_release(), "_build", fail)
    with pytest.raises(subprocess.CalledProcessError):
        RELEASE["release"]("0.2.0", upload=False)
    assert both(checkout) == (CHANGES, PROJECT)


def test_changes_that_are_not_committed_stop_it(checkout: Path) -> None:
    """A release is what is in the repository."""
    (checkout / "new.txt").touch()
    with pytest.raises(RELEASE["ReleaseError"], match="not committed"):
        RELEASE["release"]("0.2.0", upload=False)
    assert both(checkout) == (CHANGES, PROJECT)
