"""Arguments of calls and attributes of layers as JSON: numbers, words, and the few other things that a graph holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

DTYPES = {str(kind).removeprefix("torch."): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}
DTYPE_NAMES = {kind: name for name, kind in reversed(DTYPES.items())}
FORMATS = {str(member).removeprefix("torch."): member for member in (torch.contiguous_format, torch.channels_last)}
DEVICES = ("cpu", "cuda", "meta", "mps")
MOST = 2**53  # whole numbers that JSON readers agree on


def encode(value: Any) -> Any:
    """Raises ValueError for what has no such form."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, (int, float)):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, dict):
        if unnamed := [name for name in value if not isinstance(name, str)]:
            raise ValueError(f"a dict with the key {unnamed[0]!r:.60}, which is no word")
        return {"dict": {name: encode(member) for name, member in value.items()}}
    if isinstance(value, (tuple, list, slice)):
        kind = "list" if isinstance(value, list) else "slice" if isinstance(value, slice) else "tuple"
        items = (value.start, value.stop, value.step) if isinstance(value, slice) else value
        return {kind: [encode(member) for member in items]}
    return _encode_name(value)


def _encode_name(value: Any) -> dict[str, str]:
    if value is Ellipsis:
        return {"ellipsis": ""}
    for kind, named in (("dtype", DTYPES), ("memory_format", FORMATS)):
        if name := next((name for name, member in named.items() if member is value), None):
            return {kind: name}
    if isinstance(value, torch.device) and value.type in DEVICES:
        return {"device": value.type}
    raise ValueError(f"a {type(value).__name__}")


def decode(value: Any, nodes: dict[str, fx.Node]) -> Any:
    """Raises ValueError for what `encode` does not write, or a node that is not among `nodes`."""
    if value is None or isinstance(value, (bool, str, float)) or (isinstance(value, int) and abs(value) <= MOST):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "node" and isinstance(content, str) and content in nodes:
            return nodes[content]
        if kind in SEQUENCES and isinstance(content, list):
            return SEQUENCES[kind]([decode(member, nodes) for member in content])
        if kind == "dict" and isinstance(content, dict):
            return {name: decode(member, nodes) for name, member in content.items()}
        if kind in NAMED and isinstance(content, str) and content in NAMED[kind]:
            return NAMED[kind][content]
    raise ValueError(f"no value of a graph: {str(value)[:60]!r}")


def _slice(items: list[Any]) -> slice:
    if len(items) != 3:
        raise ValueError(f"a slice of {len(items)} numbers")
    return slice(*items)


SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {"list": list, "tuple": tuple, "slice": _slice}
NAMED: dict[str, dict[str, Any]] = {
    "ellipsis": {"": Ellipsis},
    "float": {name: float(name) for name in ("inf", "-inf", "nan")},
    "dtype": DTYPES,
    "memory_format": FORMATS,
    "device": {name: torch.device(name) for name in DEVICES},
}
