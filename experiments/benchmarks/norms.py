"""LayerNorm and GroupNorm of which half of the channels are left, with the statistics of the full width.

Beside them torch's own at full width and at half width, which computes something else; by turns, in processor time.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark, time_paired
from pruning.surgery.narrow import narrow_norm_over_channels

BATCH, SIDE = 32, 14
WIDTH, GROUPS = 384, 32
ROUNDS = 25
EVEN = torch.arange(WIDTH) % 2 == 0
UNEVEN = EVEN | (torch.arange(WIDTH) == 1)  # of one group one more is left than of the others


def work(norm: nn.Module, channels: int, last: bool, train: bool) -> Callable[[], object]:
    """A pass, in training with its gradient; in memory channels lie on the `last` axis, or where convolutions do."""
    shape = (BATCH, SIDE, SIDE, channels) if takes_channels_last(norm) and last else (BATCH, channels, SIDE, SIDE)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_(train)
    given: Tensor = x.permute(0, 2, 3, 1) if takes_channels_last(norm) and not last else x

    def run() -> None:
        with torch.set_grad_enabled(train):
            output = norm(given)
            if train:
                torch.autograd.grad(output.sum(), (x, *norm.parameters()))

    return run


def takes_channels_last(norm: nn.Module) -> bool:
    """Does a norm take its channels on the last axis?"""
    return hasattr(norm, "normalized_shape")


def measure_norm(what: str, full: nn.Module, half: nn.Module, live: Tensor, last: bool, train: bool) -> Row:
    segment = torch.arange(WIDTH) // (WIDTH // getattr(full, "num_groups", 1))
    small = narrow_norm_over_channels(full, segment[live], live.nonzero().flatten())
    norms = {"full": (full, WIDTH), "half": (half, WIDTH // 2), "live": (small, int(live.sum()))}
    works = {name: work(norm, width, last, train) for name, (norm, width) in norms.items()}
    times = time_paired(works, ROUNDS, warm=3, clock=time.process_time)
    return {
        "norm": what,
        "pass": "training" if train else "inference",
        "torch's at full width, ms": times["full"],
        "torch's at half width, ms": times["half"],
        "ours, ms": times["live"],
        "ours / full": times["live"] / times["full"],
    }


def measure() -> list[Row]:
    layer = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH // 2, eps=1e-6)
    group = nn.GroupNorm(GROUPS, WIDTH), nn.GroupNorm(GROUPS, WIDTH // 2)
    cases: tuple[tuple[str, nn.Module, nn.Module, Tensor, bool], ...] = (
        ("LayerNorm, channels last in memory", *layer, EVEN, True),
        ("LayerNorm, channels last by a permutation", *layer, EVEN, False),
        ("GroupNorm, equal groups", *group, EVEN, False),
        ("GroupNorm, unequal groups", *group, UNEVEN, False),
    )
    return [measure_norm(*case, train=train) for train in (False, True) for case in cases]


def aims(rows: list[Row]) -> list[Aim]:
    ours = number(rows[0], "ours / full")
    return [Aim("a LayerNorm of half of 384 channels, over the time of the whole one", 1.25, ours, "most")]


if __name__ == "__main__":
    run_benchmark("norms", "norms over channels of which half are left, against torch's own", measure, aims)
