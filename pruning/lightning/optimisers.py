"""Living optimisers, while the network that they train becomes smaller: parameters change, all else goes on.

Groups, their values and the schedules that point at them stay. A state of its parameter's shape (momentum, moments) is
cut as the parameter was: by compacting a copy of the network that has the state for weights.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from pruning.graph.attachments import deepcopy_memo
from pruning.lightning.param_groups import holders
from pruning.surgery.compact import folded_weights, parameter_origins

Compact = Callable[[nn.Module], nn.Module]
States = Mapping[str, Mapping[str, Any]]  # what the optimiser keeps of each parameter, by the parameter's name


def swap_parameters(optimizers: Iterable[Optimizer], network: nn.Module, small: nn.Module, compact: Compact) -> None:
    """In place: the parameters of `small` for those of the network; `compact` makes such a small network of a copy.

    Groups have them in the order in which an optimiser made for `small` would, if theirs was the network's.
    """
    names = {parameter: name for name, parameter in network.named_parameters()}
    for optimizer in holders(optimizers, network):
        states = {names[p]: optimizer.state[p] for p in names if p in optimizer.state}
        narrowed = narrow_states(network, small, states, compact, type(optimizer).__name__)
        for group in optimizer.param_groups:
            group["params"] = small_group(group["params"], names, small)
        for parameter in names:
            optimizer.state.pop(parameter, None)
        for name, parameter in small.named_parameters():
            if name in narrowed:
                optimizer.state[parameter] = narrowed[name]


def small_group(group: list[nn.Parameter], names: Mapping[nn.Parameter, str], small: nn.Module) -> list[nn.Parameter]:
    """What of a group is left; layers that have become several stand where their layer's first parameter stood."""
    places = {names[parameter]: place for place, parameter in enumerate(group) if parameter in names}
    layers: dict[str, int] = {}
    for name, place in places.items():
        layers.setdefault(name.rpartition(".")[0], place)
    kept = {parameter: float(place) for place, parameter in enumerate(group) if parameter not in names}
    parameters = dict(small.named_parameters())
    for name, origin in parameter_origins(small).items():
        if origin in places:
            kept[parameters[name]] = places[origin] if name == origin else layers[origin.rpartition(".")[0]]
    return sorted(kept, key=kept.__getitem__)  # stable: of equal places in the small network's order


def narrow_states(
    network: nn.Module, small: nn.Module, states: States, compact: Compact, optimizer: str
) -> dict[str, dict[str, Any]]:
    """By the small network's names. States of another shape than their parameter's are begun anew, which is said."""
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    fitting = {n: s for n, s in states.items() if all(is_narrowable(v, shapes[n]) for v in s.values())}
    if fitting.keys() != states.keys():
        lost = next(name for name in states if name not in fitting)
        warnings.warn(
            f"{optimizer} keeps a state of another shape than the parameter's, as for {lost!r}: it begins anew on the "
            "small network; SGD, Adam and their like go on with theirs",
            stacklevel=2,
        )
    keys = {key for state in fitting.values() for key, value in state.items() if is_tensor(value)}
    folded = folded_weights(small)  # the states of what they were computed from say nothing of them
    tensors = {key: narrow(network, {n: s[key] for n, s in fitting.items() if key in s}, compact) for key in keys}
    return {
        name: {
            key: tensors[key][name] if is_tensor(value) else copy.deepcopy(value)
            for key, value in fitting[origin].items()
        }
        for name, origin in parameter_origins(small).items()
        if origin in fitting and name not in folded
    }


def is_tensor(value: object) -> bool:
    """One that has its parameter's shape; counts of steps are not cut."""
    return isinstance(value, Tensor) and value.ndim > 0


def is_narrowable(value: object, shape: tuple[int, ...]) -> bool:
    return not is_tensor(value) or value.shape == shape  # type: ignore[attr-defined]


def narrow(network: nn.Module, values: Mapping[str, Tensor], compact: Compact) -> dict[str, Tensor]:
    """Tensors of the parameters' shapes, cut as these are."""
    parameters = dict(network.named_parameters())
    filled = {id(parameters[name]): nn.Parameter(value, requires_grad=False) for name, value in values.items()}
    dressed = copy.deepcopy(network, {**deepcopy_memo(network), **filled})
    return {name: parameter.detach() for name, parameter in compact(dressed).named_parameters()}
