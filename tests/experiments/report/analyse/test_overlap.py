"""How alike seeds choose, beside chance: by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks.synthetic_runs import synthetic_record
from experiments.records.record import Layer, Record
from experiments.report.analyse.configurations import Configuration
from experiments.report.analyse.overlap import filter_overlap
from experiments.report.load.runs import Run
from pruning.files import bitmap


def keeping(seed: int, *rows: int) -> Record:
    """Four filters over three channels; a second layer that is left whole tells nothing."""
    kept = np.zeros((4, 3), bool)
    kept[list(rows)] = True
    cut = Layer(len(rows), 4, 3 * len(rows), 12, bitmap.encode(kept))
    whole = Layer(4, 4, 12, 12, bitmap.encode(np.ones((4, 3), bool)))
    return replace(synthetic_record("l1", 0.5, 0), seed=seed, layers={"cut": cut, "whole": whole})


def shared(*records: Record):
    return filter_overlap(Configuration("id", "l1", tuple(Run(each, Path("record.json")) for each in records)))


def test_overlap_of_two_and_of_three():
    """Two of four filters each: chance is one half. Pairs of three seeds share 1, 0 and 1 of 2."""
    two, three = (
        shared(keeping(0, 0, 1), keeping(1, 1, 2)),
        shared(keeping(0, 0, 1), keeping(1, 1, 2), keeping(2, 2, 3)),
    )
    assert two is not None
    assert three is not None
    assert (two.share, two.chance, two.pairs) == (0.5, 0.5, 1)
    assert (two.z, three.z) == (0, pytest.approx((2 - 3) / 1))  # variance of one pair: 2 2 2 2 / (4 4 3) = 1/3
    assert (three.share, three.pairs) == (pytest.approx((0.5 + 0.0 + 0.5) / 3), 3)


def test_seeds_of_two_dense_networks_have_no_common_order():
    one, other = keeping(0, 0, 1), keeping(1, 1, 2)
    assert shared(one, replace(other, config=other.config | {"baseline": "v.safetensors"})) is None


def test_no_overlap_without_masks():
    assert shared(keeping(0, 0)) is None
    older = replace(keeping(1, 0), layers={"cut": Layer(1, 4, 3, 12, None)})
    assert shared(keeping(0, 0), older) is None
    assert shared(keeping(0, 0, 1, 2, 3), keeping(1, 0, 1, 2, 3)) is None, "nothing was cut"
