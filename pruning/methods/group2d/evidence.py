"""Scores of 2D kernels, S [filters, channels], from what a gate has seen."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pruning.methods.group2d.gate import KernelGate

SCORES = ("taylor", "activation", "l1")
Weight = Float[Tensor, "out in kh kw"]


def score(kind: str, weight: Weight, gate: KernelGate) -> Float[Tensor, "out in"]:
    """The score of every kernel; before anything was seen, as in a plan, that of its weights stands in.

    "taylor": |sum W dL/dW| averaged over steps; "activation": mean |input| times sum |W|; "l1": sum |W|.
    """
    size = weight.detach().abs().sum((2, 3))
    if kind == "l1" or not int(gate.seen):
        return size.float().cpu()
    if kind == "activation":
        return (size * gate.activity / gate.seen).float().cpu()
    return (gate.evidence / gate.seen).float().cpu()


def blocks(weight: Weight, groups: Tensor, count: int) -> Float[Tensor, "groups in"]:
    """L2 norm of every (group, input channel) block of a weight."""
    squares = weight.detach().square().sum((2, 3))
    summed = torch.zeros(count, squares.shape[1], dtype=squares.dtype, device=squares.device)
    return summed.index_add_(0, groups, squares).sqrt()
