"""A part of the config that is made by a class: what its `_target_` names, and its arguments. Imports no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING

from experiments.records.json_value import JSON

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

KEY = "_target_"


@dataclass(frozen=True)
class Node:
    target: str
    arguments: Mapping[str, JSON]  # one that has a `_target_` itself is made first


def plain(part: "DataclassInstance") -> dict[str, JSON]:
    """Settings, or a part of them, as digests and the record have them."""
    if isinstance(part, Node):
        return {KEY: part.target, **part.arguments}
    return {field.name: plain_value(getattr(part, field.name)) for field in fields(part)}


def plain_value(value: "DataclassInstance | JSON | list[DataclassInstance]") -> JSON:
    if isinstance(value, list):
        return [plain_value(item) for item in value]
    return plain(value) if is_dataclass(value) else value


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every scalar of a nested config with its dotted path."""
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
