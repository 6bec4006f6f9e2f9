"""What a caller hands in, judged in plain words: a setting, a number, a list of jobs. Pure."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from math import trunc
from numbers import Integral, Real
from typing import Any

from .errors import WrongArgumentError

_LONGEST = 40
Check = Callable[[Any, Any, Any], None]
"""What attrs calls with an instance, an attribute and its value."""


def whole(value: Any) -> Any:
    """A whole number of any kind (numpy's, 5000.0) as an int; anything else as it is, for a rule to refuse it."""
    if isinstance(value, int):  # also a subclass, which may stand for more than its number
        return value
    if isinstance(value, Integral):
        return int(value)
    return trunc(value) if isinstance(value, Real) and float(value).is_integer() else value


def plain_number(value: Any) -> Any:
    """A number of any kind as an int or a float; anything else as it is."""
    if isinstance(value, int) or type(value) is float:
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def shown(value: object) -> str:
    """A value for a message: texts and numbers as they are, of all else the type."""
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() < 200 else "an int"  # the repr of a longer one may raise
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= _LONGEST else "a text"
    return f"{_article(type(value).__name__)} {type(value).__name__}"


def _article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"


# --- settings -------------------------------------------------------------------------------------------------------


def is_count(lowest: int = 1, *, optional: bool = False) -> Check:
    """A validator: a whole number from `lowest`."""

    def check(instance: Any, attribute: Any, value: Any) -> None:
        if (optional and value is None) or (type(value) is int and value >= lowest):
            return
        _refuse(instance, attribute, f"a whole number from {lowest}", value)

    return check


def is_number(what: str, fits: Callable[[float], bool], *, optional: bool = False) -> Check:
    """A validator: a number that fits; `what` says which those are."""

    def check(instance: Any, attribute: Any, value: Any) -> None:
        if (optional and value is None) or (type(value) in {int, float} and fits(value)):
            return
        _refuse(instance, attribute, what, value)

    return check


def is_one_of(*names: str) -> Check:
    """A validator: one of some texts."""

    def check(instance: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, str) or value not in names:
            _refuse(instance, attribute, f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}", value)

    return check


def _refuse(instance: Any, attribute: Any, what: str, value: object) -> None:
    raise WrongArgumentError(f"{type(instance).__name__}.{attribute.name} must be {what}, not {shown(value)}")


# --- arguments ------------------------------------------------------------------------------------------------------


def expect(name: str, value: object, kind: type) -> None:
    """Raises `WrongArgumentError` for an argument that is neither None nor of that type."""
    if value is not None and not isinstance(value, kind):
        told = f"{name} must be {_article(kind.__name__)} {kind.__name__}, not {shown(value)}"
        raise WrongArgumentError(f"{told}: write {name}={kind.__name__}(...)")


def expect_text(name: str, value: object) -> None:
    """Raises `WrongArgumentError` for what is no text, or an empty one."""
    if not isinstance(value, str) or not value:
        raise WrongArgumentError(f"{name} must be a text, not {shown(value) if value != '' else 'an empty one'}")


def expect_seconds(name: str, value: object) -> None:
    """Raises `WrongArgumentError` for what is neither None nor a number of seconds."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
        raise WrongArgumentError(f"{name} must be a number of seconds, or None for no limit, not {shown(value)}")


def expect_callable(name: str, value: object) -> None:
    """Raises `WrongArgumentError` for what is neither None nor a function."""
    if value is not None and not callable(value):
        raise WrongArgumentError(f"{name} must be a function, not {shown(value)}")


def no_request(value: object) -> str:
    """Why a value is no request, and what would be one."""
    if _is_builder(value):
        return "a job must be a LipSyncRequest, and a RequestBuilder is none yet: call build() on it"
    if hasattr(value, "request") and hasattr(value, "violations"):
        return f"a job must be a LipSyncRequest, not {shown(value)}: give its `request`, or the JobList as it is"
    if isinstance(value, Mapping):
        return f"a job must be a LipSyncRequest, not {shown(value)}: RequestBuilder makes one"
    if isinstance(value, list | tuple):
        return f"a job must be one LipSyncRequest, not {shown(value)}: submit_many takes a list"
    return f"a job must be a LipSyncRequest, not {shown(value)}"


def expect_jobs(jobs: object) -> None:
    """Raises `WrongArgumentError` for what is no list of requests as a whole; each of its items is looked at later."""
    cure = _cure_for_list(jobs)
    if cure:
        raise WrongArgumentError(f"jobs must be a list of requests, {cure}")


def _cure_for_list(jobs: object) -> str:
    """What is wrong with a list of jobs, and what to write; "" where it is one."""
    if isinstance(jobs, str | os.PathLike):
        return f"not {shown(jobs)}: JobList.open(path) reads a file, and is taken as a list"
    if isinstance(jobs, Mapping):
        return f"not {shown(jobs)}: give its values, jobs.values(), or make requests of it with RequestBuilder"
    if _is_builder(jobs):
        return "not a RequestBuilder: call build() on it, and put what that gives into a list"
    if isinstance(jobs, bytes | bytearray):
        return f"not {shown(jobs)}"
    if isinstance(jobs, Iterable | AsyncIterable) and not isinstance(jobs, type):
        return ""
    if hasattr(jobs, "face_choose"):
        return "not one request: write [request], or use submit(request)"
    if callable(jobs):
        return f"not {shown(jobs)}: call it, to give what it yields"
    return f"not {shown(jobs)}"


def _is_builder(value: object) -> bool:
    return callable(getattr(value, "build", None))


def id_given(request: object) -> Any:
    """The `external_task_id` of a request; None for what is none, whatever it has under that name."""
    given = getattr(request, "external_task_id", None)
    return None if callable(given) else given
