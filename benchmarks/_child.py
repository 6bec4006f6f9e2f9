"""A measurement in a process of its own: `python -m benchmarks._child benchmarks.memory grown '["stream", 1000]'`.

What the function returns comes back as JSON; memory and imports of other measurements stay out of it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib import import_module
from inspect import iscoroutine
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def command(module: str, function: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks._child", module, function, json.dumps(arguments)]


def start(module: str, function: str, *arguments: object) -> subprocess.Popen[str]:
    """Lets it run; `result` waits for it."""
    return subprocess.Popen(command(module, function, *arguments), stdout=subprocess.PIPE, text=True, cwd=ROOT)


def result(process: subprocess.Popen[str]) -> Any:
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a measurement ended with {process.returncode}")
    return json.loads(out.splitlines()[-1])


def measured(module: str, function: str, *arguments: object) -> Any:
    """What `module.function(*arguments)` returns, in a process of its own."""
    return result(start(module, function, *arguments))


def main() -> None:
    _, module, function, arguments = sys.argv
    value = getattr(import_module(module), function)(*json.loads(arguments))
    print(json.dumps(asyncio.run(value) if iscoroutine(value) else value))


if __name__ == "__main__":
    main()
