"""Scores of 2D kernels, S [filters, channels], from what a gate has seen."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from pruning.methods.group2d.gate import KernelGate

SCORES = ("taylor", "activation", "l1", "random")
WITHOUT_DATA = ("l1", "random")
Weight = Float[Tensor, "out in kh kw"]


def kernel_scores(kind: str, weight: Weight, gate: KernelGate) -> Float[Tensor, "out in"]:
    """The score of every kernel; before anything was seen, as in a plan, that of its weights stands in.

    "taylor": |sum W dL/dW| averaged over steps; "activation": mean |input| times sum |W|; "l1": sum |W|.
    """
    size = weight.detach().abs().sum((2, 3))
    if kind == "l1" or not gate.observed_steps:
        return size.float().cpu()
    if kind == "activation":
        return (size * gate.activity / gate.observed_steps).float().cpu()
    return (gate.evidence / gate.observed_steps).float().cpu()


def block_norms(weight: Weight, groups: Int[Tensor, " out"], count: int) -> Float[Tensor, "groups in"]:
    """L2 norm of every (group, input channel) block of a weight; the groups are of equal size.

    Summed in the order of the filters: an addition with repeated indices is made in any order by a GPU, and processes
    that multiply their weights by what it gives would part.
    """
    squares = weight.detach().square().sum((2, 3))
    return squares[groups.argsort(stable=True)].unflatten(0, (count, -1)).sum(1).sqrt()
