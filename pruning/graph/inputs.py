"""What a network is given: one tensor, several by place (a tuple), or several by the names of forward (a dict).

Shapes are without the batch: (3, 32, 32), or a tuple or a dict of such. A tensor whose numbers are of another type than
the network's own has that type at the end of its shape: (7, torch.int64).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
Input = tuple[Any, ...]  # a shape, and a type where it is not the network's own
Shapes = tuple[Any, ...] | Mapping[str, Input]  # an input, or several in a tuple or a dict
Batch = Any  # a tensor, or a tuple or a dict of them
Inputs = tuple[dict[str, Tensor], dict[str, Tensor]]  # of forward: by place, and by name


def map_inputs(shapes: Shapes, function: Callable[[Input], Any]) -> Any:
    """The same for each input: alone, in a tuple or in a dict, as they are."""
    if isinstance(shapes, Mapping):
        return {name: function(shape) for name, shape in shapes.items()}
    return function(shapes) if is_single(shapes) else tuple(map(function, shapes))  # type: ignore[arg-type]


def is_single(shapes: Shapes) -> bool:
    """Is it the shape of the one input that a network takes by place?"""
    return isinstance(shapes, tuple) and not any(isinstance(part, tuple) for part in shapes)


def empty_batch(shapes: Shapes, count: int, kind: torch.dtype) -> Batch:
    """Without numbers (meta device); floating ones are of `kind`, the network's own."""
    return map_inputs(shapes, lambda shape: torch.empty(count, *sizes(shape), dtype=dtype(shape, kind), device="meta"))


def random_batch(shapes: Shapes, count: int, kind: torch.dtype, seed: int = 0) -> Batch:
    """As normalised images are, the same at each call; whole numbers are 0 or 1."""
    draws = torch.Generator().manual_seed(seed)

    def draw(shape: Input) -> Tensor:
        wanted = dtype(shape, kind)
        if wanted.is_floating_point or wanted.is_complex:
            return torch.randn(count, *sizes(shape), generator=draws, dtype=wanted)
        return torch.randint(2, (count, *sizes(shape)), generator=draws).to(wanted)

    return map_inputs(shapes, draw)


def sizes(shape: Input) -> Shape:
    return tuple(size for size in shape if not isinstance(size, torch.dtype))


def dtype(shape: Input, kind: torch.dtype) -> torch.dtype:
    return next((part for part in shape if isinstance(part, torch.dtype)), kind)


def inputs_of(batch: Batch) -> dict[str, Any]:
    """Each input by its place, as python writes it: "", "[0]" or "['mask']"."""
    if isinstance(batch, Mapping):
        return {f"[{name!r}]": value for name, value in batch.items()}
    return {f"[{place}]": value for place, value in enumerate(batch)} if isinstance(batch, tuple) else {"": batch}


def map_batch(batch: Batch, function: Callable[[Tensor], Any]) -> Any:
    if isinstance(batch, Mapping):
        return {name: function(value) for name, value in batch.items()}
    return tuple(map(function, batch)) if isinstance(batch, (tuple, list)) else function(batch)


def move(values: Any, device: torch.device, kind: torch.dtype | None = None) -> Any:
    """Inputs or labels, to a device; floating numbers to a type, if one is given."""
    if isinstance(values, Mapping):
        return {name: move(value, device, kind) for name, value in values.items()}
    if isinstance(values, (tuple, list)):
        return getattr(type(values), "_make", type(values))(move(value, device, kind) for value in values)
    if not isinstance(values, Tensor):
        return values
    return values.to(device, kind if kind is not None and values.is_floating_point() else values.dtype)


def call(network: nn.Module, batch: Batch) -> Any:
    """The outputs of a network for a batch of its inputs."""
    if isinstance(batch, Mapping):
        return network(**batch)
    return network(*batch) if isinstance(batch, (tuple, list)) else network(batch)


def bind(network: nn.Module, batch: Batch) -> Inputs:
    """The inputs of forward by name, in its order: those given by place, those given by name. Others have defaults.

    Raises:
        ValueError: forward does not take so many, or not these.
    """
    by_name = batch if isinstance(batch, Mapping) else {}
    by_place = () if by_name else batch if isinstance(batch, (tuple, list)) else (batch,)
    signature = inspect.signature(network.forward)
    try:
        order = signature.bind(*by_place, **by_name).arguments
    except TypeError as error:
        raise ValueError(_misfit_message(network, signature, batch, error)) from error
    return dict(zip(_place_names(signature), by_place, strict=False)), {
        name: by_name[name] for name in dict.fromkeys([*order, *by_name]) if name in by_name
    }


def _place_names(signature: inspect.Signature) -> Iterator[str]:
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            yield from (f"{name}_{place}" for place in count())
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            yield name


def _misfit_message(network: nn.Module, signature: inspect.Signature, batch: Batch, error: TypeError) -> str:
    number = len(batch) if isinstance(batch, (tuple, list)) else 1
    given = f"inputs by name ({', '.join(batch)})" if isinstance(batch, Mapping) else f"{number} by place"
    return (
        f"{type(network).__name__}.forward takes ({', '.join(signature.parameters)}), and the example gives {given}: "
        f"{error}; give a tuple of tensors in the order of forward, or a dict of tensors by the names of its arguments"
    )
