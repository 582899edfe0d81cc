"""What is mended without training, between removal and fine-tuning: the same in every process of a run."""

import time
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from experiments.run.context import RunContext
from experiments.system.console import log
from pruning.graph.attachments import duplicate
from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.graph.tracing import float_type
from pruning.repair.names import needs_images
from pruning.repair.registry import Repaired, repair_network
from pruning.selection import Selection


@dataclass(frozen=True)
class RepairedNetwork:
    network: nn.Module
    repairs: tuple[Repaired, ...]
    seconds: float


def repair(context: RunContext, network: nn.Module, choice: Selection) -> RepairedNetwork | None:
    """A small network of this choice, mended as the settings say; None where they say nothing. Both on the CPU."""
    steps, start = context.settings.repair.steps, time.monotonic()
    if not steps:
        return None
    whole = duplicate(network).to(context.device)
    after = analyse(trace(whole, context.image_shape), choice)
    images = calibration_images(context).to(context.device, float_type(whole)) if needs_images(steps) else None
    small, repairs = repair_network(whole, after, steps, images)
    for done in repairs:
        log(f"repair: {done}")
    return RepairedNetwork(small.cpu(), repairs, time.monotonic() - start)


def calibration_images(context: RunContext) -> Float[Tensor, "images ..."]:
    """Training images by the run's seed, without augmentation and without their labels."""
    return torch.cat([images.cpu() for images, _ in context.data.sample_batches(context.settings.repair.images)])
