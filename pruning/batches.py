"""What a user gives a network: an example, and batches of data with or without labels; checked before they are used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pruning.graph.inputs import Batch, Shapes, inputs_of, is_single, map_batch, map_inputs, sizes
from pruning.graph.tracing import float_type

Batches = Iterable[Any]  # of inputs, or of (inputs, labels)
IMAGES = "images, a tensor (batch, channels, height, width)"


def check_example(model: nn.Module, example: Any) -> Shapes:
    """The shapes of its inputs; ValueError unless it is a batch that the network may be given."""
    kind, first = float_type(model), next(model.parameters(), None)
    shapes = example_shapes(example)
    for name, value in inputs_of(as_batch(example)).items():
        device = value.device if first is None else first.device
        if value.device != device or (value.is_floating_point() and value.dtype != kind):
            raise ValueError(
                f"example{name} is {value.dtype} on {value.device}, the model computes in {kind} on {device}: "
                f"give example{name}.to(device, dtype) of the model"
            )
    return shapes


def example_shapes(example: Any) -> Shapes:
    """Of a batch; floating numbers are of the network's own type, those of any other kind keep theirs.

    Raises:
        ValueError: it is not a tensor, or a tuple or a dict of tensors, with the batch first.
    """
    batch = as_batch(example)
    inputs = inputs_of(batch)
    tensors = [value for value in inputs.values() if isinstance(value, Tensor)]
    if not tensors or len(tensors) < len(inputs) or (len(tensors) == 1 and tensors[0].ndim < 2):
        raise ValueError(
            f"example must be a batch of {IMAGES} or of other axes, or a tuple or a dict of tensors for a network of "
            f"several inputs, got {describe(example)}"
        )
    if len({value.shape[:1] for value in tensors}) > 1 or not tensors[0].ndim:
        raise ValueError(
            f"example must have the same number of images in each input, got {describe(example)}: give each its batch "
            "axis, and make what is the same for all images a buffer of the network"
        )
    return map_batch(batch, lambda x: (*x.shape[1:], *([] if x.is_floating_point() else [x.dtype])))


def as_batch(example: Any) -> Batch:
    """A list is a tuple, and a tuple of one is that one."""
    if not isinstance(example, (tuple, list)):
        return example
    return example[0] if len(example) == 1 else tuple(example)


def split_batch(batch: Any, shapes: Shapes) -> tuple[Batch, Any]:
    """Inputs, with as many axes as the example's, and labels where there are any; ValueError for anything else."""
    inputs, labels = _split_single(batch) if is_single(shapes) else _split_several(batch)
    axes = {name: value.ndim if isinstance(value, Tensor) else 0 for name, value in inputs_of(inputs).items()}
    if axes != inputs_of(map_inputs(shapes, lambda shape: len(sizes(shape)) + 1)):
        raise ValueError(f"each batch of data= must be {_wanted(shapes)}, got {describe(batch)}")
    return inputs, labels


def _split_single(batch: Any) -> tuple[Any, Any]:
    images, *labels = batch if isinstance(batch, (tuple, list)) and batch else (batch,)
    return images, labels[0] if labels else None


def _split_several(batch: Any) -> tuple[Any, Any]:
    """Inputs stand together, labels beside them: of two tensors the second could be an input or the labels."""
    if isinstance(batch, (tuple, list)) and batch and isinstance(batch[0], (tuple, list, Mapping)):
        inputs, *labels = batch
        return tuple(inputs) if isinstance(inputs, list) else inputs, labels[0] if labels else None
    return batch if isinstance(batch, Mapping) else None, None


def _wanted(shapes: Shapes) -> str:
    if is_single(shapes):
        axes = len(sizes(shapes)) + 1  # type: ignore[arg-type]
        images = IMAGES if axes == 4 else f"images, a tensor of {axes} axes, the batch first"
        return f"{images}; or (images, labels)"
    kind, names = ("dict", ", ".join(shapes)) if isinstance(shapes, Mapping) else ("tuple", f"{len(shapes)} tensors")
    return (
        f"(inputs, labels), or (inputs,) without labels, where inputs is a {kind} of {names} with as many axes as the "
        "example's"
    )


def take_images(batches: Iterable[Tensor], count: int) -> Tensor | None:
    """The first images, `count` of them at most; None where there is no batch."""
    taken: list[Tensor] = []
    for images in batches:
        taken.append(images)
        if sum(map(len, taken)) >= count:
            break
    return torch.cat(taken)[:count] if taken else None


def describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(f'{name}: {describe(part)}' for name, part in value.items()) or 'nothing'}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {', '.join(map(describe, value)) or 'nothing'}"
    return f"a {type(value).__name__}"
