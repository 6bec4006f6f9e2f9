"""What the pages say that stands elsewhere: the command's options in its parser, some texts beside the README.

A page has a comment `<!-- made: NAME -->` where the text goes.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from lipsync_async import sandbox
from lipsync_async.cli.arguments import make_parser
from lipsync_async.metrics import _COUNTED, _KNOWN

ROOT = Path(__file__).parent.parent


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield name, parser
    for action in inner:
        for word, child in action.choices.items():
            yield from parsers(child, f"{name} {word}".strip())


def options() -> str:
    """A section for each command, with a table of what may be given to it."""
    return "\n\n".join(_section(name, parser) for name, parser in parsers(make_parser()))


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    rows = [_row(action) for action in parser._actions if "--help" not in action.option_strings]
    table = "\n".join(["| argument | what it does |", "|---|---|", *rows])
    return f"## {name}\n\n{parser.description}\n" + (f"\n{table}" if rows else "")


def _row(action: argparse.Action) -> str:
    return f"| {_named(action)} | {_escaped(_help(action))} |"


def _named(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = _value(action)
    return ", ".join(f"`{name}{value}`".replace("|", "\\|") for name in action.option_strings)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, tuple):
        return " " + " ".join(action.metavar)
    if action.choices:
        return " {" + ",".join(map(str, action.choices)) + "}"
    return f" {action.metavar or action.dest.upper()}"


def _help(action: argparse.Action) -> str:
    needed = " (required)" if action.option_strings and action.required else ""
    return (action.help or "").replace("%%", "%") + needed


def _escaped(text: str) -> str:
    return re.sub(r"([|*<>_])", r"\\\1", text)


def names(*tables: Mapping[str, str]) -> str:
    """What a sandbox can be told to do, by name."""
    known = {name: text for table in tables for name, text in table.items()}
    rows = [f"| `{name}` | {_escaped(text)} |" for name, text in known.items()]
    return "\n".join(["| name | what happens |", "|---|---|", *rows])


def metrics() -> str:
    """What is counted and known for Prometheus."""
    counted = {f"{name}_total": text for name, (text, _) in _COUNTED.items()}
    known = {**counted, "attempt_seconds": "Seconds that a create took (a histogram)", **_KNOWN}
    return "\n".join(f"| `{name}` | {_escaped(text)} |" for name, text in known.items())


def beside(name: str) -> str:
    """A text beside the README, with its links as they are from here."""
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/([^)]+)\)", r"](\1)", text)
    return re.sub(r"\]\(([A-Z]+\.md)\)", lambda found: f"]({found[1].lower()})", text)


FILLED: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "command": {"options": options},
    "testing": {
        "faults": partial(names, sandbox.KNOWN_PREPARE_FAULTS, sandbox.KNOWN_FAULTS),
        "file_faults": partial(names, sandbox.KNOWN_FILE_FAULTS),
        "others": partial(names, sandbox.KNOWN_ENDS, sandbox.KNOWN_FACES, sandbox.KNOWN_CALLBACK_FAULTS),
    },
    "watching": {"metrics": metrics},
    "changelog": {"CHANGELOG.md": partial(beside, "CHANGELOG.md")},
    "contributing": {"CONTRIBUTING.md": partial(beside, "CONTRIBUTING.md")},
    "security": {"SECURITY.md": partial(beside, "SECURITY.md")},
}
"""Page: name of a place in it: what makes the text."""


def fill(page: str, text: str) -> str:
    """Returns the page's text with its places filled, and links into the repository as names.

    Raises ValueError where a place is missing, or a linked file.
    """
    for name, make in FILLED.get(page, {}).items():
        mark = f"<!-- made: {name} -->"
        if mark not in text:
            raise ValueError(f"{page} has no {mark}")
        text = text.replace(mark, make())
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)#]+)\)", _named_path, text)


def _named_path(link: re.Match[str]) -> str:
    """The site holds the docs alone: a link to code is told as its path."""
    if not (ROOT / link[2]).exists():
        raise ValueError(f"there is no {link[2]}")
    shown = f"`{link[2]}`"
    return shown if link[2].endswith(link[1]) else f"{link[1]} ({shown})"
