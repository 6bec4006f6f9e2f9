"""Everything public is typed: each parameter, each return value, each attribute."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any, TypeGuard

import pytest

import lipsync_async

CLASSES = [value for name in lipsync_async.__all__ if inspect.isclass(value := getattr(lipsync_async, name))]
FUNCTIONS = [value for name in lipsync_async.__all__ if inspect.isfunction(value := getattr(lipsync_async, name))]
OURS = ("lipsync_async", __name__)
SOURCES = (Path(lipsync_async.__file__).parent, Path(__file__))


def untyped(function: Callable[..., Any]) -> list[str]:
    """The parameters without an annotation, and `return`."""
    signature = inspect.signature(function)
    names = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is inspect.Parameter.empty and name not in {"self", "cls"}
    ]
    return names + ["return"] * (signature.return_annotation is inspect.Signature.empty)


def methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    """What a class of ours defines itself and says something of, constructors included."""
    for owner in cls.__mro__:
        for name, value in vars(owner).items():
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if (not name.startswith("_") or name == "__init__") and is_written(function):
                yield f"{owner.__name__}.{name}", function


def is_written(function: object) -> TypeGuard[FunctionType]:
    """Whether it stands in a file of ours: attrs writes constructors of its own, from fields that are typed."""
    return isinstance(function, FunctionType) and any(
        Path(function.__code__.co_filename).is_relative_to(place) for place in SOURCES
    )


def bare_attributes(cls: type) -> list[str]:
    """The public attributes that a method sets and nothing annotates; one that is set to a parameter has its type."""
    annotated = {name for owner in cls.__mro__ for name in inspect.get_annotations(owner)}
    found: set[str] = set()
    for owner in cls.__mro__:
        if not owner.__module__.startswith(OURS):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(owner)))):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
                annotated.add(node.target.attr)
            if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Name):
                found |= {name for target in node.targets for name in own_names(target)}
    return sorted(name for name in found - annotated if not name.startswith("_"))


def own_names(target: ast.expr) -> Iterator[str]:
    """The attributes of `self` in the target of an assignment."""
    for node in ast.walk(target):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_a_public_function_is_typed(function: Callable[..., Any]) -> None:
    """Parameters and return value."""
    assert untyped(function) == []


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_public_class_is_typed(cls: type) -> None:
    """Every method, every property, every attribute, those of its bases as well."""
    assert {name: lost for name, function in methods(cls) if (lost := untyped(function))} == {}
    assert bare_attributes(cls) == []


def test_what_is_not_typed_is_found() -> None:
    """The two searches see what they are for."""

    class Careless:
        def __init__(self, given) -> None:  # type: ignore[no-untyped-def]
            self.given, self.typed = given, 1
            self.whole: int = 1

    assert dict(methods(Careless)).keys() == {"Careless.__init__"}
    assert untyped(Careless.__init__) == ["given"]
    assert bare_attributes(Careless) == ["given", "typed"]
