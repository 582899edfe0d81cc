"""Random generators: kept as they are while a network is traced, and asked whether its forward has drawn from them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

GENERATOR_TYPES = frozenset({torch.Generator, random.Random, np.random.Generator, np.random.RandomState})


@contextmanager
def preserve_generators() -> Iterator[None]:
    """Whatever is drawn inside, the generators of torch, numpy and Python go on as if nothing had been."""
    of_torch, of_numpy, of_python = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    of_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        torch.set_rng_state(of_torch)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)
        if of_devices:
            torch.cuda.set_rng_state_all(of_devices)


def generator_states(network: nn.Module) -> list[Any]:
    """The state of every generator that a forward could draw from; equal as long as nobody draws."""
    own = [value for module in network.modules() for value in vars(module).values() if type(value) in GENERATOR_TYPES]
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    tensors = [torch.get_rng_state(), *devices]
    numpy = _state_text(np.random.get_state())  # noqa: NPY002
    return [random.getstate(), numpy, *map(_state_bytes, tensors), *map(_generator_state, own)]


def _generator_state(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return _state_bytes(generator.get_state())
    if isinstance(generator, random.Random):
        return generator.getstate()
    bits = generator.bit_generator.state if isinstance(generator, np.random.Generator) else generator.get_state()
    return _state_text(bits)


def _state_bytes(state: torch.Tensor) -> bytes:
    return state.numpy().tobytes()


def _state_text(state: Any) -> str:
    return repr([value.tobytes() if isinstance(value, np.ndarray) else value for value in _flatten(state)])


def _flatten(state: Any) -> Iterator[Any]:
    for value in state.values() if isinstance(state, dict) else state:
        if isinstance(value, (dict, tuple)):
            yield from _flatten(value)
        else:
            yield value
