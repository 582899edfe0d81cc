"""The certificate: how far the small network is from the masked one on real images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.graph.tracing import float_type
from pruning.modes import eval_mode, exact_float32

Images = Float[Tensor, "batch 3 height width"]
Logits = Float[Tensor, "batch classes *size"]

TOLERANCE = 1e-4
VARIATION = 1e-6  # of the logits' scale; less over a batch and equality proves nothing


@torch.no_grad()
def certify(masked: nn.Module, small: nn.Module, images: Images) -> float:
    """max |masked - small| over a real batch, relative to the largest logit; both in eval, in exact arithmetic.

    Raises:
        ValueError: above 1e-4, or the masked logits do not vary over the batch, so that they prove nothing.
    """
    masked_logits, small_logits = logits_of_both(masked, small, images)
    if not (masked_logits - masked_logits[:1]).abs().max().item() > VARIATION * masked_logits.abs().max().item():
        raise ValueError(
            f"no certificate: the masked network gives the same logits for all {len(images)} images of the batch, so "
            "equality would prove nothing; the ratio has silenced the network (lower it) or the images are constant"
        )
    return check_equal(masked_logits, small_logits)


@torch.no_grad()
def logits_of_both(masked: nn.Module, small: nn.Module, images: Images) -> tuple[Logits, Logits]:
    """Of both, in eval and in exact arithmetic; what was trained in float64 answers in it."""
    images = images.to(float_type(masked))
    with exact_float32(), eval_mode(masked), eval_mode(small):
        return masked(images), small(images)


def check_equal(masked: Logits, small: Logits) -> float:
    """The largest difference relative to the largest logit.

    Raises:
        ValueError: it is above 1e-4.
    """
    distance = (masked - small).abs().max().item() / masked.abs().max().item()
    if not distance <= TOLERANCE:
        image = int((masked - small).abs().amax(1).argmax())
        raise ValueError(
            f"no certificate: small and masked network differ by {distance:.2e} of the logits' scale, "
            f"more than {TOLERANCE:.0e}, most on image {image} of the batch: a fault of compaction, please report it"
        )
    return distance
