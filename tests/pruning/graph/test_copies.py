"""The copy of a network is what copy.deepcopy makes of it."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from pruning.graph.copies import copy_module
from pruning.models.library import torchvision_network


class Tied(nn.Module):
    """Two layers with one weight, a table that is held twice, a list with a layer in it, a hook that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("kept", torch.ones(2), persistent=False)
        self.sizes = self.same_sizes = [1, 2]
        self.unregistered = [self.norm]
        self.by_name: dict[str, Any] = {"norm": self.norm, "shape": (3, [4])}
        self.first.register_forward_hook(lambda layer, args, output: output)


class Counted(nn.Linear):
    """Says itself how it is copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Counted":
        copied = Counted(self.in_features, self.out_features)
        memo[id(self)] = copied
        return copied


def assert_same_copy(copied: Any, pristine: Any, original: Any) -> None:
    """Alike in types, values and order; nothing that may change is the original's."""
    assert type(copied) is type(pristine)
    if isinstance(copied, nn.Module):
        assert copied is not original
        assert_same_copy(vars(copied), vars(pristine), vars(original))
    elif isinstance(copied, dict):
        assert list(copied) == list(pristine)
        assert copied is not original
        for key in copied:
            assert_same_copy(copied[key], pristine[key], original[key])
    elif isinstance(copied, (list, tuple)):
        for parts in zip(copied, pristine, original, strict=True):
            assert_same_copy(*parts)
    elif isinstance(copied, Tensor):
        assert torch.equal(copied, pristine)
        assert copied.requires_grad == pristine.requires_grad
        assert copied.data_ptr() != original.data_ptr()
    else:
        assert copied == pristine


def test_a_copy_is_a_deep_copy() -> None:
    for network in (Tied(), torchvision_network("mobilenet_v2", 10, (3, 32, 32))):
        assert_same_copy(copy_module(network), copy.deepcopy(network), network)


def test_what_was_one_is_one_in_the_copy() -> None:
    copied = copy_module(Tied())
    assert copied.first.weight is copied.second.weight
    assert copied.unregistered[0] is copied.norm
    assert copied.by_name["norm"] is copied.norm
    assert copied.sizes is copied.same_sizes


def test_what_the_memo_holds_is_not_copied() -> None:
    layer = nn.Conv2d(2, 2, 1)
    other = nn.Parameter(torch.zeros(2, 2, 1, 1))
    assert copy_module(layer, {id(layer.weight): other}).weight is other


def test_a_class_with_a_way_of_its_own_is_copied_that_way() -> None:
    network = nn.Sequential(Counted(3, 3))
    copied = copy_module(network)
    assert type(copied[0]) is Counted
    assert not torch.equal(copied[0].weight, network[0].weight)
