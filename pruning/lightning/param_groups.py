"""Which optimiser has a network's parameters, and in which order; a method's own parameters belong to none."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer


def holders(optimizers: Iterable[Optimizer], network: nn.Module) -> list[Optimizer]:
    """The optimisers that have parameters of a network."""
    own = set(network.parameters())
    return [each for each in optimizers if any(own & set(group["params"]) for group in each.param_groups)]


def remove_parameters(optimizers: Iterable[Optimizer], parameters: Iterable[nn.Parameter]) -> None:
    """In place; groups stay, even empty ones, so that schedules still fit."""
    removed = set(parameters)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if parameter not in removed]
        for parameter in removed & optimizer.state.keys():
            del optimizer.state[parameter]


def restore_order(optimizers: Iterable[Optimizer], gated: list[nn.Parameter], plain: list[nn.Parameter]) -> None:
    """In place: a parametrised weight stands behind its bias; an optimiser made then gets the plain network's order.

    The small network's has it too, and a state is restored by place. A group in an order of its own stays.
    """
    weights = set(plain)
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        own = {parameter: None for parameter in group["params"] if parameter in weights}
        if [id(p) for p in own] == [id(p) for p in gated if p in own]:
            ordered = iter([p for p in plain if p in own])
            group["params"] = [next(ordered) if p in own else p for p in group["params"]]
