"""How a network is run while it is being compared or measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


@contextmanager
def exact_float32() -> Iterator[None]:
    """Float32 is float32 for a while: no TF32, no autocast.

    By torch's switches of single operations: the older `allow_tf32` cannot be read where a user has set one of these.
    """
    cudnn: Any = torch.backends.cudnn
    switches = (cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul)
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        for switch, precision in zip(switches, before, strict=True):
            switch.fp32_precision = precision


@contextmanager
def deterministic_algorithms(enabled: bool) -> Iterator[None]:
    """A GPU computes the same numbers each time for a while, by slower kernels; an operation that has none warns.

    cuBLAS needs CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment of the process as well.
    """
    if not enabled:
        yield
        return
    cudnn = torch.backends.cudnn
    strict, lenient = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    before = cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=lenient)
        cudnn.deterministic, cudnn.benchmark = before


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[nn.Module]:
    """A network in eval for a while; every layer gets its own mode back."""
    modes = {module: module.training for module in network.modules()}
    try:
        yield network.eval()
    finally:
        for module, mode in modes.items():
            module.training = mode
