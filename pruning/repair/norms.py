"""Running statistics of batch norms, estimated anew on the network as it now is; nothing else moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pruning.modes import eval_mode, exact_float32

Images = Float[Tensor, "images ..."]


@torch.no_grad()
def estimate_norms(network: nn.Module, batches: Sequence[Images]) -> list[str]:
    """The names of the norms whose mean and variance are now the mean over these batches, in place, from scratch.

    Modes, momenta and weights stay as they are; layers that are no norms run in eval, so that no dropout disturbs.
    """
    norms = {name: m for name, m in network.named_modules() if isinstance(m, _BatchNorm) and m.track_running_stats}
    with exact_float32(), eval_mode(network), cumulative_average(list(norms.values())):
        for images in batches if norms else ():
            network(images)
    return list(norms)


@contextmanager
def cumulative_average(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """For a while the norms forget what they have seen and weigh every batch alike."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
