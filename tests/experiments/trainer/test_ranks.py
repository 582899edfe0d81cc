"""Means over processes: one process of a group of one has the same numbers, in any mixture of types, in few kernels."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode

from experiments.trainer import ranks


@pytest.fixture
def group(tmp_path: Any) -> Iterator[None]:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


class Calls(TorchDispatchMode):
    """Counts what is asked of the device: views are free."""

    FREE = ("view", "flatten", "split", "detach", "_unsafe_view", "alias")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        self.count += function.__name__.partition(".")[0] not in self.FREE
        return function(*arguments, **(named or {}))


def test_averaging_copies_once_and_keeps_every_bit(group: None) -> None:
    kinds = (torch.float32, torch.float64, torch.bfloat16, torch.int64)
    buffers = [torch.randn(3, 5).to(kinds[number % 4]) for number in range(114)]
    before = [buffer.clone() for buffer in buffers]
    with Calls() as calls:
        ranks.average_buffers(buffers)
    assert all(torch.equal(buffer, old) for buffer, old in zip(buffers, before, strict=True))
    assert calls.count < 10


def test_the_end_of_the_group_says_who_goes_on_alone(group: None) -> None:
    assert ranks.end_group()
    assert not dist.is_initialized()
    assert ranks.end_group()
