"""The certificate: how far the small network is from the masked one on real images."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from pruning.graph.attachments import duplicate
from pruning.graph.inputs import Batch, call, inputs_of, map_batch
from pruning.graph.tracing import float_type
from pruning.modes import eval_mode, exact_float32

TOLERANCE = 1e-4
VARIATION = 1e-6  # of the output's scale; less over a batch and equality proves nothing
Outputs = dict[str, Tensor]  # by their place in what the network gives
HALVES = (torch.float16, torch.bfloat16)


@torch.no_grad()
def certify(masked: nn.Module, small: nn.Module, images: Batch) -> float:
    """max |masked - small| over a real batch, relative to the largest output; both in eval, in exact arithmetic.

    Of several outputs (a tuple, list or dict, one in another) the largest such difference. Several inputs are a tuple
    or a dict, as the networks are called. What is in half precision is compared in float32.

    Raises:
        ValueError: above 1e-4, or the masked outputs do not vary over the batch, so that they prove nothing.
    """
    of_masked, of_small = outputs_of_both(masked, small, images)
    if not any(_varies(output) for output in of_masked.values()):
        count = len(next(iter(inputs_of(images).values())))
        raise ValueError(
            f"no certificate: the masked network gives the same logits for all {count} images of the batch, so "
            "equality would prove nothing; the ratio has silenced the network (lower it), or the images are constant "
            "or one alone (give two or more)"
        )
    if of_masked.keys() != of_small.keys():
        raise ValueError(
            f"no certificate: the masked network gives {', '.join(of_masked)} and the small one {', '.join(of_small)}"
        )
    return max(check_equal(of_masked[name], of_small[name], name) for name in of_masked)


def logits_of_both(masked: nn.Module, small: nn.Module, images: Batch) -> tuple[Tensor, Tensor]:
    """As `outputs_of_both`, of networks with one output."""
    (of_masked,), (of_small,) = (outputs.values() for outputs in outputs_of_both(masked, small, images))
    return of_masked, of_small


@torch.no_grad()
def outputs_of_both(masked: nn.Module, small: nn.Module, images: Batch) -> tuple[Outputs, Outputs]:
    """Of both, in eval and in exact arithmetic; what was trained in float64 answers in it."""
    if float_type(masked) in HALVES:
        masked, small = duplicate(masked).float(), duplicate(small).float()
    kind = float_type(masked)
    given = map_batch(images, lambda x: x.to(kind) if x.is_floating_point() else x)
    with exact_float32(), eval_mode(masked), eval_mode(small):
        return named_outputs(call(masked, given)), named_outputs(call(small, given))


def flatten_output(output: object) -> list[Tensor]:
    """The tensors of an output, one after another."""
    return list(named_outputs(output).values())


def named_outputs(output: Any, name: str = "") -> Outputs:
    """The tensors of an output by their place in it: "0", "boxes", "boxes.1"; one alone has no name."""
    if isinstance(output, Tensor):
        return {name: output}
    if dataclasses.is_dataclass(output) and not isinstance(output, dict):
        output = {field.name: getattr(output, field.name) for field in dataclasses.fields(output)}
    parts: Iterable[tuple[Any, Any]] = output.items() if isinstance(output, dict) else ()
    if isinstance(output, (tuple, list)):
        parts = zip(getattr(output, "_fields", range(len(output))), output, strict=True)
    found: Outputs = {}
    for key, part in parts:
        found |= named_outputs(part, f"{name}.{key}" if name else str(key))
    return found


def _varies(output: Tensor) -> bool:
    if not output.ndim or not output.numel():
        return False
    output = _to_numbers(output)
    return (output - output[:1]).abs().max().item() > VARIATION * output.abs().max().item()


def _to_numbers(output: Tensor) -> Tensor:
    """Classes and masks as numbers that have a difference."""
    return output if output.is_floating_point() or output.is_complex() else output.double()


def check_equal(masked: Tensor, small: Tensor, name: str = "") -> float:
    """The largest difference relative to the largest output.

    Raises:
        ValueError: it is above 1e-4, or they are of different shapes.
    """
    where = f" in output {name!r}" if name else ""
    if masked.shape != small.shape:
        shapes = f"{tuple(masked.shape)} and {tuple(small.shape)}"
        raise ValueError(f"no certificate: masked and small network differ{where} in shape, {shapes}")
    if not masked.numel():
        return 0.0
    difference, scale = (_to_numbers(masked) - _to_numbers(small)).abs(), _to_numbers(masked).abs().max().item()
    distance = difference.max().item() / scale if scale else float("inf" if difference.any() else 0)
    if not distance <= TOLERANCE:
        image = int(difference.reshape(len(difference) if difference.ndim else 1, -1).amax(1).argmax())
        raise ValueError(
            f"no certificate: small and masked network differ{where} by {distance:.2e} of the logits' scale, "
            f"more than {TOLERANCE:.0e}, most on image {image} of the batch: a fault of compaction, please report it"
        )
    return distance
