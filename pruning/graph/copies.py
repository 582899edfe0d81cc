"""copy.deepcopy of networks in a third of its time: most of what it visits are numbers and empty tables of hooks."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from types import FunctionType
from typing import Any

from torch import nn

Memo = dict[
    Any, Any
]  # the copies made so far, by id (torch: of storages, by name); what is in it before counts as copied
UNCHANGING: frozenset[type] = frozenset({type(None), bool, int, float, complex, str, bytes, type, FunctionType})
TABLES: frozenset[type] = frozenset({dict, OrderedDict})
COLLECTIONS: frozenset[type] = frozenset({list, set})
WAYS = ("__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__")  # in which a class says how it is copied


def copy_module(module: nn.Module, memo: Memo | None = None) -> Any:
    """What copy.deepcopy(module, memo) gives."""
    return _copy(module, {} if memo is None else memo)


def _copy(value: Any, memo: Memo) -> Any:
    kind: Any = type(value)
    if kind in UNCHANGING or (kind is tuple and _is_unchanging(value)):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind in TABLES:
        return _copy_table(value, memo)
    if kind in COLLECTIONS and _is_unchanging(value):
        return memo.setdefault(id(value), kind(value))
    plain = issubclass(kind, nn.Module) and _is_copied_plainly(kind)
    return _copy_state(value, memo) if plain else copy.deepcopy(value, memo)


def _is_unchanging(values: Iterable[Any]) -> bool:
    return all(type(value) in UNCHANGING for value in values)


def _copy_table(table: Any, memo: Memo) -> Any:
    copied = memo[id(table)] = type(table)()
    for key, value in table.items():
        copied[key if type(key) is str else _copy(key, memo)] = _copy(value, memo)
    return copied


def _copy_state(module: nn.Module, memo: Memo) -> nn.Module:
    copied = memo[id(module)] = module.__new__(type(module))
    state = module.__getstate__().items()
    copied.__setstate__({key: value if type(value) in UNCHANGING else _copy(value, memo) for key, value in state})
    return copied


@lru_cache(maxsize=1024)
def _is_copied_plainly(kind: type) -> bool:
    """Is a class of modules copied as torch's own?"""
    has_slots = any("__slots__" in vars(base) for base in kind.__mro__[:-1])
    return not has_slots and all(getattr(kind, way, None) is getattr(nn.Module, way, None) for way in WAYS)
