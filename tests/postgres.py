"""A PostgreSQL of the tests' own: started in a folder of theirs, on 127.0.0.1, by a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from attrs import define, field

MISSING = "PostgreSQL (initdb, pg_ctl) is not installed"


def find(program: str) -> str | None:
    """The newest one that is installed, as Debian puts it, or on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(program)


def is_there() -> bool:
    """Whether the tests can have one."""
    return find("initdb") is not None and find("pg_ctl") is not None


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@define
class Postgres:
    """A server with a database; it does not wait for the disk, unless `fsync`."""

    fsync: bool = False
    folder: Path = field(init=False)
    port: int = field(factory=_free_port)
    listen: str = "127.0.0.1"

    def __enter__(self) -> Postgres:
        self.folder = Path(tempfile.mkdtemp(prefix="lipsync-pg-"))
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        try:
            self._call("initdb", "-A", "trust", "-U", "lipsync", "-E", "UTF8", "--no-sync", "-D", str(self._data))
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Of its database."""
        return f"postgresql://lipsync@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Returns when it answers."""
        on = "on" if self.fsync else "off"
        options = f"-p {self.port} -k {self.folder} -c 'listen_addresses={self.listen}'"
        options += f" -c fsync={on} -c max_connections=60"
        self._call("pg_ctl", "-D", str(self._data), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def let_in(self, network: str) -> None:
        """Listens on every address, and lets that network in; for namespaces of this machine."""
        with (self._data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write(f"host all all {network} trust\n")
        self.stop()
        self.listen = "*"
        self.start()

    def stop(self, mode: str = "fast") -> None:
        """`immediate`: as a crash."""
        self._call("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop", check=False)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _call(self, program: str, *arguments: str, check: bool = True) -> None:
        path = find(program)
        assert path is not None, MISSING
        options: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [path, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            check=False,
            **options,
        )
        assert not check or done.returncode == 0, f"{program} failed: {_log_of(self.folder)}"


def _log_of(folder: Path) -> str:
    log = folder / "log"
    return log.read_text()[-2000:] if log.exists() else "no log"
