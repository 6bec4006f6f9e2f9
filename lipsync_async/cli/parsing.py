"""The command line's own mistakes, told in a line or two: what is wrong, and what was meant, it seems."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from lipsync_async.gateways import GATEWAYS

from .printing import say
from .tally import USAGE

_REQUIRED = "the following arguments are required: "
_CHOICE = re.compile(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)
_CURES = {"--gateway": f"one of {', '.join(GATEWAYS)}, or a base URL (or set LIPSYNC_GATEWAY)"}
"""What is said of an option that must be given."""


class Parser(argparse.ArgumentParser):
    """argparse's, without the page of usage before each error."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse does it; what is left over is told by the command that it was given to."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            parser: Parser = getattr(found, "parser", self)
            parser.error(parser.told_of_rest(rest))
        return found

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, and where the options are explained. Raises `SystemExit(2)`."""
        say(f"{self.prog}: {_in_words(message)}\n`{self.prog} --help` explains all that can be given")
        raise SystemExit(USAGE)

    def told_of_rest(self, rest: Sequence[str]) -> str:
        """What is said of arguments that nobody takes."""
        wrong = next((one for one in rest if one.startswith("--")), None)
        if wrong is None:
            return f"more was given than is taken: {' '.join(rest)}"
        name = wrong.partition("=")[0]
        known = [option for action in self._actions for option in action.option_strings]
        return f"there is no option {name} here{_meant(name, known)}"


def _in_words(message: str) -> str:
    if message.startswith(_REQUIRED):
        names = message.removeprefix(_REQUIRED)
        cure = _CURES.get(names)
        return f"{names} must be given" + (f": {cure}" if cure else "")
    found = _CHOICE.fullmatch(message)
    if found:
        known = re.findall(r"[\w-]+", found[2])
        near = _meant(found[1], known) or f": there are {', '.join(known)}"
        return f"there is no command {found[1]!r}{near}"
    return message.removeprefix("argument ")


def _meant(given: str, known: Iterable[str]) -> str:
    near = get_close_matches(given, list(known), n=1)
    return f": did you mean {near[0]}?" if near else ""
