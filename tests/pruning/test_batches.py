"""An example and batches of data: what is taken, and what is refused in words."""

from typing import Any

import pytest
import torch
from torch import nn

from pruning.batches import check_example, example_shapes, split_batch

IMAGE, LABELS = torch.randn(2, 3, 8, 8), torch.arange(2)
SHAPE = (3, 8, 8)
PAIR, NAMED = (IMAGE, IMAGE), {"left": IMAGE, "right": IMAGE}


@pytest.mark.parametrize(
    ("example", "shapes"),
    [
        (IMAGE, SHAPE),
        ([IMAGE], SHAPE),
        (torch.zeros(2, 9, dtype=torch.int64), (9, torch.int64)),
        ([IMAGE, LABELS], (SHAPE, (torch.int64,))),
        (NAMED, {"left": SHAPE, "right": SHAPE}),
    ],
)
def test_shapes_of_an_example(example: Any, shapes: Any) -> None:
    assert example_shapes(example) == shapes


@pytest.mark.parametrize(
    ("example", "words"),
    [
        (None, "got a NoneType"),
        (LABELS, r"got shape \(2,\)"),
        ((), "got a tuple of nothing"),
        ((IMAGE, 0.5), r"got a tuple of shape \(2, 3, 8, 8\), a float"),
        ((IMAGE, IMAGE[:1]), "the same number of images in each input, .* a buffer of the network"),
        ({"x": IMAGE, "gain": torch.tensor(1.0)}, "the same number of images in each input"),
        ({"x": IMAGE, "y": IMAGE.double()}, r"example\['y'\] is torch.float64 on cpu, the model computes in .*float32"),
    ],
)
def test_what_is_no_example(example: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_example(nn.Conv2d(3, 4, 3), example)


@pytest.mark.parametrize(
    ("batch", "shapes", "labelled"),
    [
        (IMAGE, SHAPE, False),
        ([IMAGE], SHAPE, False),
        ((IMAGE, LABELS), SHAPE, True),
        ((PAIR, LABELS), (SHAPE, SHAPE), True),
        ((list(PAIR),), (SHAPE, SHAPE), False),
        (NAMED, {"left": SHAPE, "right": SHAPE}, False),
        ((NAMED, LABELS), {"right": SHAPE, "left": SHAPE}, True),
    ],
)
def test_batches(batch: Any, shapes: Any, labelled: bool) -> None:
    assert (split_batch(batch, shapes)[1] is LABELS) == labelled


@pytest.mark.parametrize(
    ("batch", "shapes", "words"),
    [
        ((LABELS, IMAGE), SHAPE, r"must be images, a tensor \(batch, .*\); or \(images, labels\), got a tuple of"),
        (IMAGE[0], (3, 4, 5, 6), "a tensor of 5 axes, the batch first; or"),
        (
            PAIR,
            (SHAPE, SHAPE),
            r"must be \(inputs, labels\), or \(inputs,\) .* of 2 tensors .*, got a tuple of",
        ),
        (((IMAGE,), LABELS), (SHAPE, SHAPE), "a tuple of 2 tensors"),
        (NAMED | {"labels": LABELS}, {"left": SHAPE, "right": SHAPE}, "where inputs is a dict of left, right with"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(batch: Any, shapes: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split_batch(batch, shapes)
