"""Plain values as a typed class, each refused in words where it does not fit its field. Imports no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from experiments.config import rules
from experiments.config.node import KEY, Node

Kind = TypeVar("Kind")
KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "text", NoneType: "null"}


def build(kind: type[Kind], values: object, path: str = "") -> Kind:
    """Raises ValueError for the first key or value that is not as `kind` has it: value, rule, remedy."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{path} must be a group of values, got {values!r}")
    hints = get_type_hints(kind, include_extras=True)
    for key in values:  # a `+key=value` composes and would make another digest, although nobody reads it
        if key not in hints:
            raise ValueError(f"{join(path, key)}: no such key; known here are {', '.join(hints)}")
    return kind(**{name: convert(hint, values[name], join(path, name)) for name, hint in hints.items()})


def join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def convert(hint: object, value: object, path: str) -> object:
    """The value as this type of a field, by its rules."""
    if get_origin(hint) is Annotated:
        kind, *checks = get_args(hint)
        converted = convert(kind, value, path)
        for check in checks:
            check(path, converted)
        return converted
    kinds = options_of(hint)
    return None if value is None and NoneType in kinds else convert_present(kinds, value, path)


def options_of(hint: object) -> tuple[object, ...]:
    """The types of a union; of another type itself. Without rules."""
    if get_origin(hint) is Annotated:
        return options_of(get_args(hint)[0])
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def convert_present(kinds: tuple[object, ...], value: object, path: str) -> object:
    first = kinds[0]
    if get_origin(first) is Literal:
        refuse_other_choice([*((None,) if NoneType in kinds else ()), *get_args(first)], value, path)
        return value
    if first is Node:
        return build_node(value, path)
    if isinstance(first, type) and is_dataclass(first):
        return build(first, value, path)
    if get_origin(first) is list:
        refuse_other_kind((list,), value, path)
        return [convert(get_args(first)[0], item, f"each of {path}") for item in value]  # type: ignore[attr-defined]
    refuse_other_kind(kinds, value, path)
    rules.finite(path, value)
    return value


def build_node(value: object, path: str) -> Node:
    target = value.get(KEY) if isinstance(value, dict) else None
    if not (isinstance(value, dict) and isinstance(target, str)):
        raise ValueError(f"{join(path, KEY)} must be a dotted name, got {target!r}")
    return Node(target, {name: argument for name, argument in value.items() if name != KEY})


def refuse_other_choice(choices: Iterable[object], value: object, path: str) -> None:
    if (type(value), value) not in [(type(choice), choice) for choice in choices]:  # 1 is no True
        raise ValueError(f"{path} must be one of {', '.join(map(str, choices))}, got {value}")


def refuse_other_kind(kinds: tuple[object, ...], value: object, path: str) -> None:
    if not any(is_of_kind(kind, value) for kind in kinds):
        words = " or ".join(describe_kind(kind) for kind in kinds if not (kind is int and float in kinds))
        raise ValueError(f"{path} must be {words}, got {value!r}")


def is_of_kind(kind: object, value: object) -> bool:
    if get_origin(kind) is list:
        return isinstance(value, list) and all(is_of_kind(get_args(kind)[0], item) for item in value)
    return type(value) is kind or (type(value) is int and kind is float)


def describe_kind(kind: object) -> str:
    return KINDS.get(kind, "a list")  # type: ignore[call-overload, no-any-return]
