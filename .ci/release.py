"""Makes a release: `make release VERSION=0.2.0`. It uploads nothing and pushes nothing unless told to: `--upload`.

The changelog's Unreleased part becomes the version's, the version is set, all checks run, wheel and sdist are built
and looked over. If anything fails, both files are put back as they were.
"""

import argparse
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
PROJECT = ROOT / "pyproject.toml"
_UNRELEASED = "## [Unreleased]\n"
_VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)


class ReleaseError(Exception):
    """Why there is no release."""


def parts(version: str) -> tuple[int, ...]:
    """The numbers of a version; raises ReleaseError for what is none."""
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        raise ReleaseError(f"a version is like 0.2.0, not {version!r}")
    return tuple(map(int, version.split(".")))


def dated(changelog: str, version: str, day: str) -> str:
    """The changelog with what was unreleased under its version; raises ReleaseError where nothing was."""
    before, mark, after = changelog.partition(_UNRELEASED)
    if not mark:
        raise ReleaseError("the changelog has no part [Unreleased]")
    part = re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0]
    if not re.search(r"^- ", part, re.MULTILINE):
        raise ReleaseError("the changelog's part [Unreleased] is empty: there is nothing to release")
    if f"## [{version}]" in changelog:
        raise ReleaseError(f"the changelog has {version} already")
    return f"{before}{mark}\n## [{version}] - {day}\n{after}"


def numbered(project: str, version: str) -> str:
    """The project file with the version set; raises ReleaseError unless it is higher than the one that is there."""
    found = _VERSION.search(project)
    if found is None:
        raise ReleaseError("pyproject.toml has no version")
    if parts(version) <= parts(found[1]):
        raise ReleaseError(f"{version} is not above {found[1]}")
    return _VERSION.sub(f'version = "{version}"', project, count=1)


def _run(*command: str) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


def _clean() -> bool:
    told = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, check=True, capture_output=True, text=True)
    return not told.stdout.strip()


def _build(version: str) -> list[str]:
    """Checks and builds; gives the paths of wheel and sdist."""
    _run("make", "check", "test", "docs")
    _run(sys.executable, "-m", "build", "--quiet", "--outdir", "dist", ".")
    names = sorted(str(path) for path in (ROOT / "dist").glob(f"lipsync_async-{version}*"))
    if len(names) != 2:
        raise ReleaseError(f"a wheel and an sdist were to be made, and dist has {names}")
    _run(sys.executable, "-m", "twine", "check", "--strict", *names)
    return names


def release(version: str, *, upload: bool) -> None:
    """The whole way; raises ReleaseError or CalledProcessError."""
    if not _clean():
        raise ReleaseError("there are changes that are not committed")
    texts = {path: path.read_text(encoding="utf-8") for path in (CHANGELOG, PROJECT)}
    changelog = dated(texts[CHANGELOG], version, f"{datetime.now(UTC):%Y-%m-%d}")
    project = numbered(texts[PROJECT], version)
    try:
        CHANGELOG.write_text(changelog, encoding="utf-8")
        PROJECT.write_text(project, encoding="utf-8")
        names = _build(version)
    except BaseException:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        raise
    if upload:
        _run(sys.executable, "-m", "twine", "upload", *names)
    print(f"built: {', '.join(names)}\nleft to do:\n  git commit -am 'Version {version}' && git tag v{version}")
    print("  git push && git push --tags" + ("" if upload else "\n  twine upload the two files above"))


def main() -> int:
    """Reads the command line, and gives the exit code."""
    parser = argparse.ArgumentParser(description="Make a release.")
    parser.add_argument("version", nargs="?", default="")
    parser.add_argument("--upload", action="store_true", help="upload the two files at the end")
    given = parser.parse_args()
    try:
        release(given.version, upload=given.upload)
    except (ReleaseError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"no release: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
