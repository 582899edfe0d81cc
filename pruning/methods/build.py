"""A method from the arguments of the public functions: by name, class or instance, with a budget and sites."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pruning.arguments import did_you_mean
from pruning.budget.allocations import Allocation
from pruning.budget.removals import MEASURES
from pruning.budget.targets import Budget, PerLayer, Share
from pruning.graph.sites import EXCEPT
from pruning.methods.base import PruningMethod
from pruning.methods.given import Given
from pruning.methods.registry import find_method
from pruning.selection import Selection

BUDGETS = (*MEASURES, "layer", "budget")
ALLOCATION = "allocation"
SITES = ("include", "exclude")
Method = str | type[PruningMethod] | PruningMethod | Selection


def build_method(method: Method, **arguments: Any) -> PruningMethod:
    """The method that does what the arguments say; those that are None count as left out.

    Args:
        method: a name of `registry.CLASSES` or of a criterion, or a class, which are called with the arguments; an
            instance, or a selection made already, which take none.
        macs, params, filters: the share of the whole network's MACs, of its parameters, of the filters of all layers
            that may be cut, to remove; in [0, 1).
        layer: the share of every layer to remove, or for patterns of layers a share or the number of filters that stay.
        budget: a Budget of one's own. Exactly one of these five is given to a method that has a budget.
        allocation: which layers give how much of a share of macs, params or filters: a name of
            `pruning.budget.ALLOCATIONS` (uniform, own, l1, lamp, erk, isomorphic, random), or an Allocation.
        include, exclude: shell-style patterns of the layers to cut, and of those to leave whole.
        arguments: whatever the method's class takes besides.

    Raises:
        ValueError: an unknown method or argument, a budget that is missing, double, or not in its range.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    if isinstance(method, (PruningMethod, Selection)):
        if given:
            raise ValueError(
                f"{next(iter(given))}= is for a method given by name or class: a {type(method).__name__} has its own"
            )
        return Given(method) if isinstance(method, Selection) else method
    kind, named = find_method(method) if isinstance(method, str) else (method, {})
    if not (isinstance(kind, type) and issubclass(kind, PruningMethod)):
        raise ValueError(
            f"method must be a name, a PruningMethod (class or instance) or a Selection, got {method!r:.80}"
        )
    return kind(**_constructor_arguments(kind, named | given))


def _constructor_arguments(kind: type[PruningMethod], given: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    own = {name: value for name, value in given.items() if name not in (*BUDGETS, ALLOCATION, *SITES)}
    _refuse_unknown(kind, parameters, own)
    shares, patterns = ({n: given[n] for n in names if n in given} for names in (BUDGETS, SITES))
    if "only" in parameters and patterns:
        own["only"] = _sites(**patterns)
    elif patterns:
        raise ValueError(f"{next(iter(patterns))}= is not for {kind.__name__}, which has no choice of layers")
    if "budget" in parameters:
        own["budget"] = _budget(shares, given.get(ALLOCATION, "uniform"))
    elif shares or ALLOCATION in given:
        shares = shares or {ALLOCATION: given[ALLOCATION]}
        raise ValueError(f"{next(iter(shares))}= is not for {kind.__name__}, which has no budget: leave it out")
    return own


def _refuse_unknown(kind: type[PruningMethod], parameters: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    takes = [name for name in parameters if name not in ("budget", "only")]
    for name in own:
        if name not in takes and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            meant = did_you_mean(name, [*takes, *BUDGETS, ALLOCATION, *SITES])
            raise ValueError(
                f"{kind.__name__} takes {', '.join(takes) or 'nothing'}, got {name}={own[name]!r:.60}{meant}"
            )


def _budget(shares: Mapping[str, Any], allocation: Allocation | str) -> Budget:
    if len(shares) != 1:
        got = ", ".join(f"{name}={value!r:.60}" for name, value in shares.items()) or "none of them"
        raise ValueError(f"give one of {', '.join(f'{name}=' for name in BUDGETS)} to say how much goes, got {got}")
    ((name, value),) = shares.items()
    if name in MEASURES:
        return Share(value, of=name, allocation=allocation)
    if name == "layer":
        return _table(value, allocation) if isinstance(value, Mapping) else PerLayer(value, allocation=allocation)
    if allocation != "uniform":
        raise ValueError(f"allocation={allocation!r:.60} is not for budget=, which says itself which layers give")
    if not isinstance(value, Budget):
        raise ValueError(
            f"budget must be a Budget of pruning.budget, got {value!r:.60}; a share is macs=0.5 or the like"
        )
    return value


def _table(table: Mapping[Any, float | int], allocation: Allocation | str) -> PerLayer:
    if not table:
        raise ValueError("layer={} names no layer, so nothing would go: give patterns, as layer={'features.*': 0.5}")
    for pattern in table:
        if not isinstance(pattern, str):
            raise ValueError(
                f"layer= takes patterns of layers as keys, got {pattern!r:.60}: write {str(pattern)!r:.60}"
            )
    return PerLayer(0.0, table, allocation=allocation)


def _sites(include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[str]:
    """Patterns as methods take them."""
    lists = [[names] if isinstance(names, str) else list(names) for names in (include, exclude)]
    return [*lists[0], *(f"{EXCEPT}{pattern}" for pattern in lists[1])]
