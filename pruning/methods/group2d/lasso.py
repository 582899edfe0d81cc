"""Group lasso over (group, input channel) blocks, by a proximal step whose strength follows a schedule of zeros."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pruning.methods.group2d.evidence import Weight, blocks
from pruning.methods.group2d.gate import KernelGate

START, END = 0.15, 0.8  # share of the stage before the first block goes, and when the last has gone
GROWTH = 1.1  # of the strength, at each step that lags behind the schedule


def wanted_zeros(channels: int, keep: int, progress: float) -> int:
    """Blocks of each group that are to be zero when this share of the stage is over."""
    ramp = min(max((progress - START) / (END - START), 0.0), 1.0)
    return round((channels - keep) * ramp)


@torch.no_grad()
def shrink(weight: Weight, gate: KernelGate, keep: int, progress: float) -> None:
    """The proximal step, in place: every block of a group loses the same amount of norm; those that have less are zero.

    The amount is what makes as many blocks zero as the schedule wants, but at most `strength` of the group's mean norm;
    the strength grows while that is too little.
    """
    norms = blocks(weight, gate.group, len(gate.strength))
    wanted = wanted_zeros(norms.shape[1], keep, progress)
    if not wanted:
        return
    needed, allowed = norms.sort(dim=1).values[:, wanted - 1], gate.strength * norms.mean(1)
    gate.strength = torch.where(needed > allowed, gate.strength * GROWTH, gate.strength)
    threshold = torch.minimum(needed, allowed)
    factor: Float[Tensor, "groups in"] = (1 - threshold[:, None] / norms.clamp(min=1e-12)).clamp(min=0)
    weight.mul_(factor[gate.group][:, :, None, None])
