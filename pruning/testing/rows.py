"""Methods to be tried, and what brings them onto a network."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from pruning.methods.base import PruningMethod
from pruning.testing.equality import images
from pruning.testing.samples import Sample

STEPS = 1000
COUNTS = ("rows", "columns", "none")
NEEDS = ("norm", "data", "training")


@dataclass(frozen=True)
class Row:
    """A method to be tried.

    Args:
        build: the method that removes a share, in [0, 1), of every layer.
        counts: what its budget counts: "rows" (filters), "columns" (kernels of each filter), "none" (nothing goes).
        needs: what it refuses to be without: "norm" (a batch norm behind each convolution), "data" (batches to
            observe), "training" (steps of an optimiser).
    """

    build: Callable[[float], PruningMethod]
    counts: str = "rows"
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.counts not in COUNTS:
            raise ValueError(f"counts must be one of {', '.join(COUNTS)}, got {self.counts!r}")
        if isinstance(self.needs, str) or set(self.needs) - set(NEEDS):
            raise ValueError(f"needs must be a tuple of {', '.join(NEEDS)}, got {self.needs!r}")

    def fits(self, sample: Sample) -> bool:
        return "norm" not in self.needs or sample.has_norms()


def attached(row: Row, sample: Sample, ratio: float = 0.5) -> tuple[PruningMethod, nn.Module]:
    """The method on the network; it has seen the batches that it needs."""
    method, whole = row.build(ratio), sample.network()
    method.attach(whole, sample.image_shape, STEPS)
    if "data" in row.needs:
        observe(method, whole, sample)
    return method, whole


def observe(method: PruningMethod, whole: nn.Module, sample: Sample) -> None:
    labels = torch.arange(4)
    batches = [images(sample.image_shape, seed=seed).float() for seed in range(2)]
    method.observe_batches(whole, [(batch, lambda outputs: F.cross_entropy(outputs, labels)) for batch in batches])


def detached(method: PruningMethod, whole: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a method may complain that it was stopped half-way
        method.detach(whole)
    return whole
