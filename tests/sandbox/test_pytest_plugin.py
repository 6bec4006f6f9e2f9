"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import json
import urllib.error
import urllib.request
import pytest

def create(sandbox):
    face = dict(face_id="0", audio_id="1", sound_start_time=0, sound_end_time=5000, sound_insert_time=0,
                sound_volume=1, original_audio_volume=1)
    body = json.dumps(dict(session_id="1", face_choose=[face])).encode()
    headers = {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(sandbox.base_url + "/kling/v1/videos/advanced-lip-sync", body, headers)
    with urllib.request.urlopen(request, timeout=5) as reply:
        return json.load(reply)

def test_plain(lipsync_sandbox):
    assert create(lipsync_sandbox)["code"] == 0
    assert lipsync_sandbox.ledger.tasks == 1

@pytest.mark.lipsync_sandbox(balance=0, api_key="mine")
def test_with_options(lipsync_sandbox):
    assert lipsync_sandbox.api_key == "mine"
    with pytest.raises(urllib.error.HTTPError) as caught:
        create(lipsync_sandbox)
    with caught.value as reply:
        assert json.load(reply)["code"] == 1102
    assert lipsync_sandbox.ledger.refused == {1102: 1}

@pytest.mark.lipsync_sandbox(store_delay=60.0, time_scale=60.0)
def test_the_gateway_is_ready(lipsync_gateway, lipsync_sandbox):
    import os
    from lipsync_async import LipSyncClient
    assert lipsync_gateway.base_url == lipsync_sandbox.base_url
    assert os.environ["LIPSYNC_API_KEY"] == lipsync_sandbox.api_key
    assert (lipsync_gateway.settle_time, lipsync_gateway.hold_time) == (2.0, 3.0)
    assert "sandbox" in repr(LipSyncClient(lipsync_gateway))

@pytest.mark.lipsync_sandbox(session_seconds="x")
def test_with_a_text_for_a_number(lipsync_sandbox):
    pass

@pytest.mark.lipsync_sandbox(sesion_seconds=1)
def test_with_a_slip(lipsync_sandbox):
    pass

@pytest.mark.lipsync_sandbox("positional")
def test_with_a_mistake(lipsync_sandbox):
    pass
"""
CONFTEST = """
import sys

def pytest_collection_finish():
    assert "lipsync_async.sandbox.pytest_plugin" in sys.modules
    assert not {"aiohttp", "asyncio", "tinytag", "attrs"} & set(sys.modules), "the plugin is to load nothing heavy"
"""


def test_the_fixture_and_its_marker(tmp_path: Path) -> None:
    """The fixture serves plain tests, the marker sets options by name only, and loading the plugin loads no aiohttp."""
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    root = Path(__file__).parents[2]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "lipsync_async.sandbox.pytest_plugin"]
    run = subprocess.run(
        [*command, "--strict-markers", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert "3 passed, 3 errors" in run.stdout, run.stdout + run.stderr
    assert "lipsync_sandbox: Sandbox.session_seconds must be a number, not the text 'x'" in run.stdout
    assert "unexpected keyword argument 'sesion_seconds'" in run.stdout
    assert "takes options by name" in run.stdout
