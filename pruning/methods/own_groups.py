"""A method's own parameters end in the optimiser that they were made for, or the stage does not begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Optimizer

SGD_DEFAULTS = {"momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False}
NOT_SGD = ("params", "constant")  # no values of an optimiser
Group = dict[str, Any]


def check_own_groups(own_groups: Sequence[Group], optimizers: Sequence[Optimizer], clipping: float | None) -> None:
    """Each group of parameters that a method asks for is one of SGD's, with the values it asks for and nobody else.

    Raises:
        ValueError: it is not, so that the parameters would learn by another rule than the method's.
    """
    for group in own_groups:
        values = SGD_DEFAULTS | {name: value for name, value in group.items() if name not in NOT_SGD}
        misfit = next(describe_misfits(group["params"], values, optimizers), None)
        if clipping and misfit is None:
            misfit = f"gradients are clipped at {clipping:g}"
        if misfit is not None:
            words = ", ".join(
                f"{name}={values[name]:g}" for name in ("lr", "momentum", "weight_decay") if name in values
            )
            raise ValueError(
                f"the method's own parameters need SGD with a group of their own ({words}) and no clipping, but "
                f"{misfit}: let configure_optimizers return SGD with the task's extra_groups beside its other groups, "
                "as ClassificationTask does, or take a method without parameters of its own, such as l1"
            )


def describe_misfits(params: Sequence[nn.Parameter], values: Group, optimizers: Sequence[Optimizer]) -> Iterator[str]:
    """In words, what is not as it should be."""
    own = {id(parameter) for parameter in params}
    holders = [(optimizer, group) for optimizer in optimizers for group in optimizer.param_groups]
    holders = [(optimizer, group) for optimizer, group in holders if own & {id(each) for each in group["params"]}]
    if len(holders) != 1:
        yield f"they are in {len(holders) or 'no'} group{'s' if holders else ''} of an optimiser"
    for optimizer, group in holders:
        if not isinstance(optimizer, SGD):
            yield f"they are in {type(optimizer).__name__}"
        if own != {id(each) for each in group["params"]}:
            yield "their group holds others, or not all of them"
        yield from (f"their group has {n}={group[n]}" for n, value in values.items() if group.get(n, value) != value)
