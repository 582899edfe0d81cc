import math

import numpy as np
import pytest

from datamodules.split import validation_mask

LABELS = np.repeat(np.arange(4), [40, 30, 20, 10])


@pytest.mark.parametrize(
    ("val", "expected"), [(0, [0] * 4), (0.1, [4, 3, 2, 1]), (10, [4, 3, 2, 1]), (0.5, [20, 15, 10, 5])]
)
def test_every_class_gives_its_proportion(val, expected):
    assert np.bincount(LABELS[validation_mask(LABELS, val)], minlength=4).tolist() == expected


def test_counts_are_met_exactly_where_classes_do_not_divide():
    for count in range(2, 99):
        chosen = validation_mask(LABELS, count)
        assert chosen.sum() == count
        assert np.abs(np.bincount(LABELS[chosen], minlength=4) - count * np.array([0.4, 0.3, 0.2, 0.1])).max() < 1


def test_a_larger_part_contains_a_smaller_one():
    assert not (validation_mask(LABELS, 0.1) & ~validation_mask(LABELS, 0.3)).any()


def test_the_part_is_drawn_not_the_first_images():
    assert set(np.flatnonzero(validation_mask(LABELS, 10))) != {0, 1, 2, 3, 40, 41, 42, 70, 71, 90}


@pytest.mark.parametrize("val", [-0.1, 100, 1.5, math.nan, math.inf, True])
def test_an_impossible_part_is_refused(val):
    with pytest.raises(
        ValueError, match=r"data\.val must be a share in \[0, 1\) or a count below the 100.*data\.val=0"
    ):
        validation_mask(LABELS, val)


@pytest.mark.parametrize(("val", "count"), [(1, 1), (0.01, 1), (0.004, 0)])
def test_too_few_images_to_compare_networks_on_are_refused(val, count):
    with pytest.raises(ValueError, match=rf"data\.val={val} of 100 training images is {count}: 2 or more are needed"):
        validation_mask(LABELS, val)
