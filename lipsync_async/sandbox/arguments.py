"""What each option must be, by its type, told as everywhere in the library.

The one module that knows a word of the client's: how a wrong argument is told says nothing about the wire.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

import attrs

from lipsync_async.errors import WrongArgumentError
from lipsync_async.given import shown


def _is_number(value: object) -> bool:
    return type(value) is not bool and isinstance(value, Real) and not math.isnan(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_number, value))


def _are_chances(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(one, str) for one in value)


_KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "float": ("a number", _is_number),
    "int": ("a whole number", _is_whole),
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "str": ("a text", lambda value: isinstance(value, str)),
    "str | Path": ("a path", lambda value: isinstance(value, str | Path)),
    "tuple[float, float]": ("two numbers, such as (60, 180)", _is_pair),
    "tuple[str, ...]": ("texts in a tuple", _are_texts),
    "Mapping[str, float]": ("a dict of chances, such as {'slow': 0.1}", _are_chances),
    "Callable[[], float]": ("a function", callable),
}
"""By the type as it is written at the option; behind it may stand `| None`."""


def check_types(options: Any) -> None:
    """Raise WrongArgumentError for the first option of an attrs instance that is not of its type."""
    for field in attrs.fields(type(options)):
        check_type(type(options).__name__, field.name, str(field.type), getattr(options, field.name))


def check_type(whose: str, name: str, kind: str, value: object) -> None:
    """Raise WrongArgumentError for a value that is not of the kind that is written at the option."""
    plain = kind.removesuffix(" | None")
    if value is None and plain != kind:
        return
    what, fits = _KINDS[plain]
    if not fits(value):
        or_none = " or None" if plain != kind else ""
        raise WrongArgumentError(f"{whose}.{name} must be {what}{or_none}, not {shown(value)}")


@contextmanager
def told() -> Iterator[None]:
    """What a rule raises as a ValueError is a WrongArgumentError for the caller."""
    try:
        yield
    except WrongArgumentError:
        raise
    except ValueError as error:
        raise WrongArgumentError(str(error)) from None
