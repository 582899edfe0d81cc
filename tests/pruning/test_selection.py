import numpy as np
import pytest
import torch
from torch import nn

from pruning.selection import Selection, convolutions

KERNELS = torch.tensor([[True, False, True], [False, False, False]])


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 1, groups=2), nn.Linear(1, 1))


def test_names_every_convolution_by_its_kernels() -> None:
    full = Selection.full(network())
    assert {name: tuple(mask.shape) for name, mask in full.items()} == {"0": (2, 3), "2": (4, 1)}
    assert all(mask.all() for mask in full.values())
    assert list(convolutions(network())) == ["0", "2"]


def test_counts_filters_with_a_kernel_left() -> None:
    choice = Selection({"0": KERNELS})
    assert (choice.kept("0"), choice.total("0"), len(choice)) == (1, 2, 1)
    assert repr(choice) == "Selection(0 1/2)"


def test_rows_and_columns() -> None:
    choice = Selection.of_rows(network(), {"0": torch.tensor([False, True])})
    assert choice["0"].tolist() == [[False] * 3, [True] * 3]
    assert choice["2"].all()
    narrow = choice.without_columns({"0": torch.tensor([True, False, False])})
    assert narrow["0"].tolist() == [[False] * 3, [False, True, True]]
    assert choice["0"].tolist() == [[False] * 3, [True] * 3]


def test_arrays_and_back() -> None:
    choice = Selection({"0": KERNELS, "a.b": ~KERNELS})
    arrays = choice.to_arrays()
    assert {array.dtype for array in arrays.values()} == {np.dtype(bool)}
    assert Selection.from_arrays(arrays) == choice
    arrays["0"][:] = True
    assert choice["0"].equal(KERNELS)


def test_is_a_copy_of_what_it_was_given() -> None:
    given = KERNELS.clone()
    choice = Selection({"0": given})
    given[:] = True
    assert choice["0"].equal(KERNELS)


def test_equality_is_by_names_and_kernels() -> None:
    choice = Selection({"0": KERNELS})
    assert choice == Selection({"0": KERNELS.clone()})
    assert choice != Selection({"0": ~KERNELS})
    assert choice != Selection({"1": KERNELS})
    assert choice != {"0": KERNELS}
    with pytest.raises(TypeError, match="unhashable"):
        hash(choice)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((2, 3)), r"'0' must be a boolean matrix, got torch.float64 of shape \(2, 3\)"),
        (np.ones(2, dtype=bool), r"'0' must be a boolean matrix, got torch.bool of shape \(2,\)"),
        (np.zeros((2, 3), dtype=bool), "empties '0': at least one kernel must survive; lower the ratio"),
    ],
)
def test_refuses_what_is_no_selection(mask: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Selection.from_arrays({"0": mask})


def test_refuses_a_network_that_it_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"names '7', which is not a convolution of the network; it has 0, 2"):
        Selection({"7": KERNELS}).check(network())
    with pytest.raises(ValueError, match=r"'2' must have the shape \(4, 1\) of its weight, got \(2, 3\)"):
        Selection({"2": KERNELS}).check(network())
    Selection.full(network()).check(network())


def test_a_row_for_an_unknown_layer_is_refused_by_name() -> None:
    with pytest.raises((KeyError, ValueError), match="nowhere"):
        Selection.of_rows(network(), {"nowhere": torch.tensor([True, False])})
