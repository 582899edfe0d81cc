"""The certificate: how far the small network is from the masked one on real images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.modes import evaluating, exact
from pruning.tracing import float_type

TOLERANCE = 1e-4
VARIATION = 1e-6  # of the logits' scale; less over a batch and equality proves nothing


@torch.no_grad()
def certify(masked: nn.Module, small: nn.Module, images: Float[Tensor, "b 3 h w"]) -> float:
    """max |masked - small| over a real batch, relative to the largest logit; both in eval, in exact arithmetic.

    Raises:
        ValueError: above 1e-4, or the masked logits do not vary over the batch, so that they prove nothing.
    """
    images = images.to(float_type(masked))  # what was trained in float64 is certified in it
    with exact(), evaluating(masked), evaluating(small):
        wanted, got = masked(images), small(images)
    scale = wanted.abs().max().item()
    if not (wanted - wanted[:1]).abs().max().item() > VARIATION * scale:
        raise ValueError(
            f"no certificate: the masked network gives the same logits for all {len(images)} images of the batch, so "
            "equality would prove nothing; the ratio has silenced the network (lower it) or the images are constant"
        )
    distance = (wanted - got).abs().max().item() / scale
    if not distance <= TOLERANCE:
        image = int((wanted - got).abs().amax(1).argmax())
        raise ValueError(
            f"no certificate: small and masked network differ by {distance:.2e} of the logits' scale, "
            f"more than {TOLERANCE:.0e}, most on image {image} of the batch: a fault of compaction, please report it"
        )
    return distance
