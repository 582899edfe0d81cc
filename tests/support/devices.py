"""A GPU that is not there: shapes, types and devices are followed, nothing is computed, and whoever waits is caught."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FAKES = FakeTensorMode()
GPU = torch.device("cuda", 0)


class WaitError(AssertionError):
    """The processor would wait for the device, or the device for a copy from memory that is not pinned."""


class OrderError(AssertionError):
    """A GPU adds repeated indices in any order, so that two runs, or two processes, part."""


class NoCopies(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        if function.__name__.startswith(("index_add", "scatter_add", "scatter_reduce", "index_put")):
            raise OrderError(function.__name__)
        made = function(*given, **(named or {}))
        if function.__name__.startswith(("_to_copy", "copy_")):
            places = {each.device.type for each in tree_leaves((given, made)) if isinstance(each, Tensor)}
            if len(places) > 1:
                raise WaitError(f"{function.__name__} between {' and '.join(sorted(places))}")
        return made


@contextmanager
def nobody_waits() -> Iterator[None]:
    """Within, reading a number of a fake tensor raises torch's own error, a copy between devices WaitError."""
    with FAKES, NoCopies():
        yield


def on_gpu(value: Tensor) -> Tensor:
    fake = FAKES.from_tensor(value.detach())
    with FAKES:
        return fake.to(GPU)


def move(network: nn.Module) -> nn.Module:
    """In place, gradients too."""
    for module in network.modules():
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else on_gpu(buffer)
        for name, parameter in module._parameters.items():
            if parameter is not None:
                moved = nn.Parameter(on_gpu(parameter), parameter.requires_grad)
                moved.grad = on_gpu(torch.zeros_like(parameter))
                module._parameters[name] = moved
    return network
