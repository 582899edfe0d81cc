"""Least squares, layer by layer in order of execution: each aims at what its dense form makes of the dense inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pruning.modes import eval_mode, exact_float32
from pruning.repair.joins import along
from pruning.repair.least_squares import NormalEquations, solve_tried
from pruning.repair.pairs import LayerPair, Pair
from pruning.repair.patches import count_positions, count_unknowns, input_patches, output_rows
from pruning.repair.walk import Values, Walk
from pruning.surgery.align import ColumnGroups

PER_UNKNOWN = 20  # samples for each weight of a filter
LEAST = 16384  # samples, where there are as many, however few the weights
BATCH = 32  # images that go through the networks at once
FOLDS = 5  # of which the samples of one are held out, to try on what the others say

Images = Float[Tensor, "images ..."]


@torch.no_grad()
def fit_layers(pair: Pair, images: Images) -> None:
    """Change the weights of the small network, in place, so that each of its layers makes what the dense one makes.

    A layer that ends in an addition aims at the dense sum less the small network's other side, where that is there.
    """
    with exact_float32(), eval_mode(pair.dense), eval_mode(pair.small):
        walk = Walk(pair, images.split(BATCH))
        for number, layer in enumerate(pair.layers):
            fit_layer(layer, walk, torch.Generator().manual_seed(number))


def fit_layer(layer: LayerPair, walk: Walk, draws: torch.Generator) -> None:
    fits = [PartFit(part, gather, draws) for part, gather in split_parts(layer.layer)]
    for of_dense, of_small in walk.visit(layer):
        source = of_small[layer.small.args[0]]  # type: ignore[index]
        made = layer.layer(source)
        missing = (find_aim(layer, walk, of_dense, of_small) - made) * along(
            layer.works.to(made.device), layer.axis, made.ndim
        )
        rows = missing.split([fit.filters for fit in fits], layer.axis)
        for fit, residuals in zip(fits, rows, strict=True):
            fit.add(source, residuals, batches=len(walk.values))
    for fit in fits:
        fit.apply()


def find_aim(layer: LayerPair, walk: Walk, of_dense: Values, of_small: Values) -> Tensor:
    """What a small layer should make of a batch."""
    made: Tensor = of_dense[layer.dense]
    wanted = made.index_select(layer.axis, layer.rows.to(made.device))
    gap = find_gap(layer, walk, of_dense, of_small)
    return wanted if gap is None else wanted + gap


def find_gap(layer: LayerPair, walk: Walk, of_dense: Values, of_small: Values) -> Tensor | None:
    """What the other side of the addition lacks, as the layer would have to make it; None where it is not there yet."""
    join = layer.join
    if join is None:
        return None
    was, now = walk.dense.peek(of_dense, join.dense.node), walk.small.peek(of_small, join.small.node)
    if was is None or now is None:
        return None
    gap = join.dense.values(was, join.axis) - join.small.values(now, join.axis)
    scale = join.scale(walk.small.network)
    return gap if scale is None else gap / along(scale, join.axis, gap.ndim)


class PartFit:
    """One convolution or linear layer, what gathers its inputs, and the sums of what it sees and what it lacks."""

    def __init__(self, layer: Any, gather: nn.Module, draws: torch.Generator) -> None:
        self.layer, self.gather, self.draws = layer, gather, draws
        self.filters, self.unknowns = len(layer.weight), count_unknowns(layer)
        self.tried: NormalEquations | None = None
        self.held_out: NormalEquations | None = None
        self.share = 0  # samples of a batch

    def add(self, source: Tensor, residuals: Tensor, batches: int) -> None:
        places = count_positions(self.layer, residuals)
        if self.tried is None:
            samples = min(max(PER_UNKNOWN * self.unknowns, LEAST), batches * places)
            self.tried, self.held_out = (
                NormalEquations(self.unknowns, self.layer.bias is not None, samples) for _ in range(2)
            )
            self.share = -(-samples // batches)
        positions = torch.randperm(places, generator=self.draws)[: self.share]
        held_out = fold_of(positions, places, len(source)) == 0
        gathered = self.gather(source)
        for sums, chosen in ((self.tried, positions[~held_out]), (self.held_out, positions[held_out])):
            patches = input_patches(self.layer, gathered, residuals, chosen.to(source.device))
            rows = output_rows(self.layer, residuals, chosen.to(source.device)).unflatten(1, (len(patches), -1))
            sums.add(patches, rows.transpose(0, 1))  # type: ignore[union-attr] # both were made above

    def apply(self) -> None:
        assert self.tried is not None
        assert self.held_out is not None
        change = solve_tried(self.tried, self.held_out).flatten(0, 1).to(self.layer.weight.dtype)
        self.layer.weight += change[:, : self.unknowns].view_as(self.layer.weight)
        if self.layer.bias is not None:
            self.layer.bias += change[:, -1]


def fold_of(positions: Int[Tensor, " samples"], places: int, images: int) -> Int[Tensor, " samples"]:
    """Whole images lie in one fold, for neighbouring places look alike; of a few images neighbouring places."""
    per_image = max(places // images, 1)
    block = per_image if images >= FOLDS else -(-places // FOLDS)
    return positions // block % FOLDS


def split_parts(layer: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """The layers that a layer consists of, and what gathers the inputs of each."""
    if isinstance(layer, ColumnGroups):
        yield from zip(layer.convs, layer.gathers, strict=True)
    else:
        yield layer, nn.Identity()
