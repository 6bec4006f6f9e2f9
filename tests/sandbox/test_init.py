"""The package's door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lipsync_async.sandbox as package

FOLDER = Path(package.__file__).parent


def test_every_public_name_is_there() -> None:
    """Each name of `__all__` can be loaded, and an unknown one is an AttributeError."""
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="Sandbag"):
        _ = package.Sandbag


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: str(path.name))
def test_it_imports_no_other_room(path: Path) -> None:
    """No module of the sandbox imports anything of the library outside the sandbox: it is the independent witness."""
    imported: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.append(node.module or "")
        elif isinstance(node, ast.Import):
            imported += [name.name for name in node.names]
    ours = [name for name in imported if name.startswith("lipsync_async")]
    if path.name == "pytest_plugin.py":  # it is no part of the gateway: it makes the client's profile of one
        ours.remove("lipsync_async.gateways")
        ours.remove("lipsync_async.gateways")
    if path.name == "arguments.py":  # how a wrong argument is told says nothing about the wire
        ours = [name for name in ours if name not in {"lipsync_async.errors", "lipsync_async.given"}]
    assert all(name.startswith("lipsync_async.sandbox") for name in ours)
