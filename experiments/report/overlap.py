"""How far runs that differ by their seeds keep the same kernels, and how far chance alone would."""

from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np

from experiments.record import Layer, Record
from experiments.report import bases
from experiments.report.settings import Setting
from pruning import bitmap


@dataclass(frozen=True)
class Overlap:
    """Share of a run's kept kernels that another keeps too, over the layers that were cut; the mean over pairs."""

    share: float
    chance: float  # expected of sets of the same sizes drawn at random
    pairs: int
    one_base: bool  # else filters of the seeds have no common order, and chance is what one expects


Masks = dict[str, np.ndarray]


def overlap(setting: Setting) -> Overlap | None:
    """None unless two runs hold their masks."""
    kept = [masks for run in setting.runs if (masks := cut_layers(run.record)) is not None]
    if len(kept) < 2:
        return None
    found = [pair for a, b in combinations(kept, 2) if (pair := of_pair(a, b)) is not None]
    if not found:
        return None
    share, chance = (fmean(each) for each in zip(*found, strict=True))
    return Overlap(share, chance, len(found), bases.one(bases.base(run.record) for run in setting.runs))


def cut_layers(record: Record) -> Masks | None:
    """None where the record does not hold them, or they cannot be read."""
    try:
        return {name: mask(layer) for name, layer in record.layers.items() if layer.kernels_kept < layer.kernels_total}
    except ValueError:
        return None


def mask(layer: Layer) -> np.ndarray:
    if layer.kept is None or layer.filters_total < 1 or layer.kernels_total > 2**26:
        raise ValueError("no mask")
    return bitmap.decode(layer.kept, layer.filters_total, layer.kernels_total // layer.filters_total)


def of_pair(a: Masks, b: Masks) -> tuple[float, float] | None:
    layers = [(a[name], b[name]) for name in a.keys() & b.keys() if a[name].shape == b[name].shape]
    size = sum(int(x.sum()) + int(y.sum()) for x, y in layers) / 2
    if not size:
        return None
    common = sum(int((x & y).sum()) for x, y in layers)
    expected = sum(float(x.sum()) * float(y.sum()) / x.size for x, y in layers)
    return common / size, expected / size
