"""Networks by plain names, so that a file can say how to build one without naming code to run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pruning.graph.tracing import skeleton
from pruning.models.library import timm_network, torchvision_network
from pruning.models.resnet import resnet
from pruning.models.vgg import vgg16
from pruning.models.zfnet import zfnet

Shape = tuple[int, int, int]
BUILDERS: dict[str, Callable[..., nn.Module]] = {
    build.__name__: build for build in (resnet, timm_network, torchvision_network, vgg16, zfnet)
}
RUN_KEYS = {"classes", "image_shape"}  # known to the run, not part of an origin
WEIGHT_KEYS = {"weights", "seed"}  # say what the weights are, not what the network is
MAX_ARGUMENT = 2048  # of any whole-number argument; the deepest network published has 1202 layers


@dataclass(frozen=True)
class Origin:
    """How a full-size network was made: the name of a builder, and the arguments that decide its shape."""

    builder: str
    arguments: Mapping[str, bool | int | str]

    @classmethod
    def of(cls, builder: str, arguments: Mapping[str, Any]) -> Origin:
        """From all the arguments a builder was called with; those that only set weights are left out."""
        return cls(builder, {key: value for key, value in arguments.items() if key not in WEIGHT_KEYS | RUN_KEYS})

    def skeleton(self, classes: int, image_shape: Shape) -> nn.Module:
        """The network with shapes and no numbers; takes no memory to speak of, whatever the arguments.

        Raises:
            ValueError: an unknown builder, arguments that are not its own, or no network of that shape.
        """
        self._check_arguments()
        try:
            with Weightless():
                return skeleton(BUILDERS[self.builder](classes=classes, image_shape=image_shape, **self.arguments))
        except (RuntimeError, OverflowError) as error:  # torch's words for sizes beyond counting
            raise ValueError(f"{self} cannot be built: {str(error).splitlines()[0]}") from error

    def _check_arguments(self) -> None:
        if self.builder not in BUILDERS:
            raise ValueError(f"network must be one of {', '.join(BUILDERS)}, got {self.builder!r}")
        known = inspect.signature(BUILDERS[self.builder]).parameters.values()
        own = {p.name: p for p in known if p.name not in RUN_KEYS | WEIGHT_KEYS}
        missing = [name for name, p in own.items() if p.default is p.empty and name not in self.arguments]
        wrong = [name for name, value in self.arguments.items() if name not in own or not _is_valid(value, own[name])]
        if missing or wrong:
            takes = ", ".join(f"{name}: {p.annotation.__name__}" for name, p in own.items()) or "nothing"
            raise ValueError(f"{self.builder} takes {takes} (numbers up to {MAX_ARGUMENT}), got {self}")

    def __str__(self) -> str:
        return f"{self.builder}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


def _is_valid(value: object, parameter: inspect.Parameter) -> bool:
    return type(value) is parameter.annotation and (type(value) is not int or 0 <= value <= MAX_ARGUMENT)


class Weightless(TorchFunctionMode):
    """Layers ask torch.empty for their weights: these get no memory. Constructors compute with other tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)
