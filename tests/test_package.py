"""The package's face: what it names, what an import costs, and what lies where."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
import types

import pytest

import lipsync_async
from lipsync_async.errors import LipSyncError

HEAVY = ("aiohttp", "cattrs", "anyio", "asyncio", "sqlite3", "msgspec", "yarl", "hypothesis", "pytest")


def child(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_is_what_is_defined() -> None:
    """Every name of `__all__` can be had, and nothing else is public."""
    names = lipsync_async.__all__
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(lipsync_async, name) is not None
    public = {
        name
        for name, value in vars(lipsync_async).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert public - {"TYPE_CHECKING", "Any", "import_module"} == set(names)
    assert set(names) <= set(dir(lipsync_async))
    assert set(names) == set(lipsync_async._MODULE_OF)


def test_every_public_name_has_a_docstring_and_a_home() -> None:
    """Classes and functions say what they are, and pickle by where they live."""
    for name in lipsync_async.__all__:
        value = getattr(lipsync_async, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
            assert pickle.loads(pickle.dumps(value)) is value


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'LipSink'"):
        lipsync_async.LipSink  # noqa: B018


def test_the_import_loads_nothing_heavy() -> None:
    """Neither aiohttp, cattrs, anyio, asyncio nor sqlite3: they come with the first client."""
    loaded = child(f"import sys, lipsync_async; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert loaded == "[]"


def test_values_need_no_event_loop() -> None:
    """Limits, errors and gateways come without asyncio; a client brings what it needs."""
    code = (
        "import sys; from lipsync_async import Limits, LipSyncError, KLING; Limits(); print('aiohttp' in sys.modules)"
    )
    assert child(code) == "False"
    assert child("import sys; from lipsync_async import LipSyncClient; print('aiohttp' in sys.modules)") == "True"


def test_star_import_gives_all() -> None:
    """`from lipsync_async import *` works, lazily or not."""
    code = "from lipsync_async import *; import lipsync_async as it; print(set(it.__all__) <= set(globals()))"
    assert child(code) == "True"


def rooms() -> list[str]:
    """Every module of the package."""
    found = pkgutil.walk_packages(lipsync_async.__path__, "lipsync_async.")
    return [module.name for module in found if not module.name.endswith("__main__")]


@pytest.mark.parametrize("room", rooms())
def test_every_room_says_what_it_is_for(room: str) -> None:
    """Its docstring; and what it raises on purpose derives from the one base."""
    module = importlib.import_module(room)
    assert module.__doc__
    if ".sandbox" in room:
        return  # a side building: it imports no other room
    for name, value in vars(module).items():
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == room:
            # Two never leave the library; private ones are nobody's business.
            inner = name in {"AudioChanged", "DamagedRowError"} or name.startswith("_")
            assert issubclass(value, LipSyncError) or inner, (room, name)
