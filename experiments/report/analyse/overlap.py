"""How far runs that differ by their seeds keep the same filters, and how far chance alone would."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from experiments.records.record import Layer, Record
from experiments.report.analyse import baselines
from experiments.report.analyse.configurations import Configuration
from pruning.files import bitmap


@dataclass(frozen=True)
class Overlap:
    """Share of a run's kept filters that another of its dense network keeps too, over the layers that lost some."""

    share: float
    chance: float  # expected of sets of the same sizes drawn at random: the hypergeometric distribution's mean
    z: float  # how many of that distribution's deviations lie between the two
    pairs: int


class Intersection(NamedTuple):
    common: float  # filters
    size: float
    expected: float
    variance: float


class Filters(NamedTuple):
    """Those kept of a layer, as the bits of one number: many pairs are compared."""

    bits: int
    kept: int
    total: int


Masks = dict[str, Filters]  # of each layer that lost a filter


def filter_overlap(configuration: Configuration) -> Overlap | None:
    """None unless two runs of one dense network hold their masks: filters of others have no common order."""
    masks_by_baseline = [
        (baselines.baseline(run.record), masks)
        for run in configuration.runs
        if (masks := pruned_masks(run.record)) is not None
    ]
    pairs = [compare_masks(a, b) for (ours, a), (theirs, b) in combinations(masks_by_baseline, 2) if ours.same(theirs)]
    intersections = [pair for pair in pairs if pair.variance > 0]
    if not intersections:
        return None
    total = Intersection(*(sum(values) for values in zip(*intersections, strict=True)))
    z = (total.common - total.expected) / sqrt(total.variance)
    return Overlap(total.common / total.size, total.expected / total.size, z, len(intersections))


def compare_masks(a: Masks, b: Masks) -> Intersection:
    return Intersection(*(sum(values) for values in zip(Intersection(0, 0, 0, 0), *compare_layers(a, b), strict=True)))


def compare_layers(a: Masks, b: Masks) -> Iterator[Intersection]:
    """Layers that keep the same filters in either run are tied by a join: one choice, counted once."""
    for x, y in {(a[name], b[name]) for name in a.keys() & b.keys() if a[name].total == b[name].total}:
        n, ours, theirs = x.total, x.kept, y.kept
        expected = ours * theirs / n
        variance = expected * (n - ours) * (n - theirs) / n / max(1, n - 1)
        yield Intersection((x.bits & y.bits).bit_count(), (ours + theirs) / 2, expected, variance)


def pruned_masks(record: Record) -> Masks | None:
    """None where the record does not hold them, or they cannot be read."""
    try:
        return {
            name: keep_bits(np.any(decode_mask(layer), axis=1, keepdims=True))
            for name, layer in record.layers.items()
            if layer.filters_kept < layer.filters_total
        }
    except ValueError:
        return None


def keep_bits(filters: npt.NDArray[np.bool_]) -> Filters:
    bits = int.from_bytes(np.packbits(filters).tobytes())
    return Filters(bits, bits.bit_count(), len(filters))


def decode_mask(layer: Layer) -> npt.NDArray[np.bool_]:
    if layer.kept is None or layer.filters_total < 1 or layer.kernels_total > 2**26:
        raise ValueError("no mask")
    return bitmap.decode(layer.kept, layer.filters_total, layer.kernels_total // layer.filters_total)
