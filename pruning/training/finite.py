"""Numbers that are none: found before they reach the weights, and traced to the layer they come from."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pruning.training.deferred import DeferredNumber

Images = Float[Tensor, "batch channels height width"]


def propagate_nonfinite(loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The same loss; an infinite one becomes NaN, and so do all its gradients, in all processes that share them."""
    return loss * (1 + 0 * loss.detach())


def all_finite(gradients: list[Tensor]) -> Bool[Tensor, ""]:
    """On the device, without waiting for it, in one pass: what GradScaler does, unscaling by one."""
    if not gradients:
        return torch.tensor(True)
    found_inf, scale = gradients[0].new_zeros((), dtype=torch.float32), gradients[0].new_ones((), dtype=torch.float32)
    torch._amp_foreach_non_finite_check_and_unscale_(gradients, found_inf, scale)
    return found_inf == 0


class StepCheck:
    """Whether a step's gradients are sound: asked for at once, read when it has come from the device."""

    def __init__(self, sound: Bool[Tensor, ""], step: int, epoch: int, images: Images) -> None:
        self.step, self.epoch, self.images = step, epoch, images
        self._sound = DeferredNumber(sound)

    def __bool__(self) -> bool:
        return bool(self._sound.read())


def locate_nonfinite(network: nn.Module, images: Images) -> str:
    """In words, where the first number that is none comes from. The network stays as it is."""
    if not torch.isfinite(images).all():
        return "first in the images themselves"
    for name, value in network.named_parameters():
        if not torch.isfinite(value).all():
            return f"first in the weights, {name!r}"
    layer = next(nonfinite_layers(network, images), None)
    if layer is not None:
        return f"first in what layer {layer!r} gives"
    bad = [n for n, p in network.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    if bad:  # the gradient comes from the end of the network
        return f"first in the gradient of layer {bad[-1].rpartition('.')[0]!r}"
    return "in another process's part of the batch"


def nonfinite_layers(network: nn.Module, images: Images) -> Iterator[str]:
    """Names of the layers whose output is not finite, in the order in which they run."""
    names: list[str] = []

    def register(name: str) -> None:
        def check(layer: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not torch.isfinite(output).all():
                names.append(name)

        copied.get_submodule(name).register_forward_hook(check)

    copied = copy.deepcopy(network)
    for name, layer in network.named_modules():
        if name and not list(layer.children()):
            register(name)
    with torch.no_grad():
        copied(images)
    yield from names
