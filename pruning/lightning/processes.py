"""Whether all processes of one training have the same network; DDP does not say so where they part."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import torch.distributed as dist
from torch import Tensor

Value = TypeVar("Value")


def all_gather(value: Value) -> list[Value]:
    """Each process's value, in every process."""
    if not dist.is_initialized():
        return [value]
    values = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def refuse_differing(tensors: Mapping[str, Tensor], what: str) -> None:
    """Raises RuntimeError, in all processes alike, that names the first tensor that is not the same everywhere."""
    if not dist.is_initialized():
        return
    gathered = all_gather({name: fingerprint(value) for name, value in tensors.items()})
    names = dict.fromkeys(name for fingerprints in gathered for name in fingerprints)
    for name in names:
        if len({fingerprints.get(name) for fingerprints in gathered}) > 1:
            raise RuntimeError(
                f"{what} of layer {name!r} is not the same in all {len(gathered)} processes: something was done in "
                "one of them only; the last checkpoint is from before"
            )


def fingerprint(value: Tensor) -> str:
    return hashlib.sha256(value.detach().cpu().contiguous().numpy().tobytes()).hexdigest()
