"""What a network must be before anything is trained with it: tried on random images, with random norm statistics.

Fresh norms are ones and zeros, and a fault of surgery does not show on them.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pruning.graph.generators import preserve_generators
from pruning.graph.tracing import float_type, skeleton
from pruning.modes import eval_mode
from pruning.surgery.certificate import VARIATION

Images = Float[Tensor, "batch channels height width"]
Shape = tuple[int, int, int]
SEED = 0  # of all draws here: a dry run says the same twice


@contextlib.contextmanager
def fork_rng() -> Iterator[None]:
    """Within, torch, numpy and python draw from SEED on; afterwards all of them are where they were."""
    with preserve_generators():
        torch.default_generator.manual_seed(SEED)  # torch.manual_seed would reach devices that are not started yet
        np.random.seed(SEED)  # noqa: NPY002
        random.seed(SEED)
        yield


def random_images(network: nn.Module, image_shape: Shape, count: int = 2) -> Images:
    """As normalised images are: around 0, of deviation 1."""
    return torch.randn(count, *image_shape, dtype=float_type(network))


@torch.no_grad()
def randomise_norms(network: nn.Module, images: Images) -> None:
    """In place. Statistics as of these images; then they, scales and biases move, and what is all zero does not stay.

    A fresh network's own statistics would let the images fade from layer to layer, until only biases speak.
    """
    if has_running_statistics(network):
        estimate_statistics(network, images)
    for module in network.modules():
        mean, variance = (getattr(module, name, None) for name in ("running_mean", "running_var"))
        if isinstance(mean, Tensor) and isinstance(variance, Tensor):
            variance.clamp_(min=float(0.1 * variance.mean()) or 1.0)  # no channel is silent only by accident
            mean.add_(0.3 * variance.sqrt() * torch.randn_like(mean))
            variance.mul_(0.5 + torch.rand_like(variance))
    for parameter in network.parameters():
        if not parameter.any():  # a new bias, a branch or a head that begins at zero
            parameter.add_(torch.randn_like(parameter) * (0.1 if parameter.ndim < 2 else parameter[0].numel() ** -0.5))
        elif parameter.ndim == 1:
            parameter.mul_(0.5 + torch.rand_like(parameter))


def has_running_statistics(network: nn.Module) -> bool:
    """Whether a forward pass in training is needed to have any."""
    return any(isinstance(getattr(module, "running_var", None), Tensor) for module in network.modules())


def estimate_statistics(network: nn.Module, images: Images) -> None:
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def check_output(network: nn.Module, image_shape: Shape, classes: int) -> None:
    """What the network gives must be one tensor, a logit for each class; found by shapes alone.

    Raises:
        ValueError: it is not. A network that cannot run without numbers is left to whoever traces it.
    """
    bare = skeleton(network).eval()
    output = None
    with contextlib.suppress(Exception), torch.no_grad():
        output = bare(torch.empty(2, *image_shape, device="meta", dtype=float_type(network)))
    if output is not None:
        check_logits(output, (2, classes), network)


def check_logits(output: object, shape: tuple[int, int], network: nn.Module) -> None:
    name = type(network).__name__
    if not isinstance(output, Tensor):
        raise ValueError(
            f"{name} gives {describe(output)} for a batch of images; one tensor of shape (batch, classes) is needed: "
            "return the logits alone, in training too"
        )
    if tuple(output.shape) != shape:
        raise ValueError(
            f"{name} gives {tuple(output.shape)} for {shape[0]} images, and the data has {shape[1]} classes: "
            f"{shape} is needed, a logit for each class; build the network for {shape[1]} classes"
        )


def describe(output: object) -> str:
    if isinstance(output, dict):
        return f"a dict ({', '.join(map(str, output))})"
    if isinstance(output, tuple | list):
        return f"several outputs (a {type(output).__name__} of {len(output)})"
    return f"a {type(output).__name__}"


@torch.no_grad()
def check_logits_follow_images(network: nn.Module, images: Images, classes: int) -> None:
    """In eval the logits must follow from the image, and from nothing else.

    Raises:
        ValueError: they do not.
    """
    with eval_mode(network):
        logits, repeated = network(images), network(images)
    check_logits(logits, (len(images), classes), network)
    name, allowed = type(network).__name__, VARIATION * logits.abs().max()
    if (logits - repeated).abs().max() > allowed:
        raise ValueError(
            f"{name} answers the same images in two ways in eval mode: something in it draws at random there; "
            "give it a layer that looks at self.training, such as nn.Dropout"
        )
    if logits.isfinite().all() and (logits - logits[:1]).abs().max() <= allowed:
        raise ValueError(f"{name} answers every image alike: its output does not depend on the image")
