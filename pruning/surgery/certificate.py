"""The certificate: how far the small network is from the masked one on real images."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.graph.tracing import float_type
from pruning.modes import eval_mode, exact_float32

Images = Float[Tensor, "batch channels height width"]
Output = Float[Tensor, "batch *shape"]

TOLERANCE = 1e-4
VARIATION = 1e-6  # of the output's scale; less over a batch and equality proves nothing


@torch.no_grad()
def certify(masked: nn.Module, small: nn.Module, images: Images) -> float:
    """max |masked - small| over a real batch, relative to the largest output; both in eval, in exact arithmetic.

    Of several outputs (a tuple, list or dict) the largest such difference.

    Raises:
        ValueError: above 1e-4, or the masked outputs do not vary over the batch, so that they prove nothing.
    """
    of_masked, of_small = outputs_of_both(masked, small, images)
    if not any(_varies(output) for output in of_masked):
        raise ValueError(
            f"no certificate: the masked network gives the same logits for all {len(images)} images of the batch, so "
            "equality would prove nothing; the ratio has silenced the network (lower it), or the images are constant "
            "or one alone (give two or more)"
        )
    return max(check_equal(a, b) for a, b in zip(of_masked, of_small, strict=True))


def logits_of_both(masked: nn.Module, small: nn.Module, images: Images) -> tuple[Output, Output]:
    """As `outputs_of_both`, of networks with one output."""
    (of_masked,), (of_small,) = outputs_of_both(masked, small, images)
    return of_masked, of_small


@torch.no_grad()
def outputs_of_both(masked: nn.Module, small: nn.Module, images: Images) -> tuple[list[Output], list[Output]]:
    """Of both, in eval and in exact arithmetic; what was trained in float64 answers in it."""
    images = images.to(float_type(masked))
    with exact_float32(), eval_mode(masked), eval_mode(small):
        return flatten_output(masked(images)), flatten_output(small(images))


def flatten_output(output: object) -> list[Output]:
    """The tensors of an output, one after another."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return [tensor for part in parts for tensor in flatten_output(part)]


def _varies(output: Output) -> bool:
    return (output - output[:1]).abs().max().item() > VARIATION * output.abs().max().item()


def check_equal(masked: Output, small: Output) -> float:
    """The largest difference relative to the largest output.

    Raises:
        ValueError: it is above 1e-4.
    """
    difference, scale = (masked - small).abs(), masked.abs().max().item()
    distance = difference.max().item() / scale if scale else float("inf" if difference.any() else 0)
    if not distance <= TOLERANCE:
        image = int(difference.flatten(1).amax(1).argmax())
        raise ValueError(
            f"no certificate: small and masked network differ by {distance:.2e} of the logits' scale, "
            f"more than {TOLERANCE:.0e}, most on image {image} of the batch: a fault of compaction, please report it"
        )
    return distance
