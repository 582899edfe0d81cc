"""Group lasso over (group, input channel) blocks, by a proximal step whose strength follows a schedule of zeros."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pruning.methods.group2d.gate import KernelGate
from pruning.methods.group2d.scores import Weight, block_norms

START, END = 0.15, 0.8  # share of the stage before the first block goes, and when the last has gone
GROWTH = 1.1  # of the strength, at each step that lags behind the schedule


def scheduled_zeros(channels: int, keep: int, progress: float) -> int:
    """Blocks of each group that are to be zero when this share of the stage is over."""
    ramp = min(max((progress - START) / (END - START), 0.0), 1.0)
    return round((channels - keep) * ramp)


@torch.no_grad()
def shrink(weight: Weight, gate: KernelGate, keep: int, progress: float) -> None:
    """The proximal step, in place, of an adaptive group lasso: only blocks that the schedule wants gone are penalised.

    The smallest blocks of a group, as many as shall be zero by now, lose `strength` of the group's mean norm each, and
    those that have less are zero; the strength grows while some are left. The other blocks keep their norm: shrinking
    all by what the smallest need silences a layer whose blocks are alike.
    """
    norms = block_norms(weight, gate.group, len(gate.strength))
    zeros = scheduled_zeros(norms.shape[1], keep, progress)
    if not zeros:
        return
    penalised = torch.zeros_like(norms, dtype=torch.bool).scatter(1, norms.argsort(dim=1, stable=True)[:, :zeros], True)
    loss = (gate.strength * norms.mean(1))[:, None] * penalised
    factor: Float[Tensor, "groups in"] = (1 - loss / norms.clamp(min=1e-12)).clamp(min=0)
    remaining = (penalised & (norms * factor > 0)).any(1)
    gate.strength = torch.where(remaining, gate.strength * GROWTH, gate.strength)
    weight.mul_(factor[gate.group][:, :, None, None])
