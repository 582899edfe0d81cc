"""Group-wise pruning: what it keeps, its limiting cases, its ladder and its lasso."""

import copy

import pytest
import torch

from pruning.budget.targets import Share
from pruning.graph.cost import count_macs
from pruning.methods.group2d import Group2D
from pruning.methods.group2d.assignment import groups_by_lot
from pruning.models import resnet
from pruning.selection import Selection
from pruning.surgery import compact, mask
from support.grouped_chain import SHAPE, attached, chain, method


def test_every_group_keeps_the_same_number_and_no_filter_goes():
    made = method(0.75)
    choice = made.select(attached(chain(), made))
    assert choice["0"].all()
    for kept in (choice["3"], choice["6"]):
        assert kept.sum(1).tolist() == [2] * 8
        assert len(kept.unique(dim=0)) <= 2


def test_one_group_is_input_channel_pruning():
    """The layer before loses exactly the filters that the pattern leaves unread."""
    network, made = chain(), method(0.5, groups=1, only=["3"])
    choice = made.select(attached(network, made))
    columns = choice["3"][0]
    rows = Selection.of_rows(network, {"0": columns})
    x = torch.randn(2, *SHAPE)
    small, other = compact(network, choice, SHAPE), compact(network, rows, SHAPE)
    torch.testing.assert_close(small(x), other(x))
    assert count_macs(small, SHAPE) == count_macs(other, SHAPE)


def test_as_many_groups_as_filters_is_free_kernel_pruning():
    network, made = chain(), method(0.5, groups=8, only=["3"])
    choice = made.select(attached(network, made))
    sums = network[3].weight.detach().abs().sum((2, 3))
    for row, kept in zip(sums, choice["3"], strict=True):
        assert set(kept.nonzero().flatten().tolist()) == set(row.topk(4).indices.tolist())
    x = torch.randn(2, *SHAPE)
    assert not torch.equal(mask(network, choice, SHAPE)(x), network(x))


@pytest.mark.parametrize("lots", [{"score": "random"}, {"assignment": "random"}])
def test_lots_keep_the_form_of_the_cut_and_follow_the_seed(lots: dict[str, object]):
    """Every group the same number, in two groups; drawn again alike, of another seed otherwise."""
    choices = []
    for seed in (0, 0, 1):
        made = method(0.5, seed=seed, **lots)
        assert not made.needs_training
        choices.append(made.select(attached(chain(), made)))
    first, again, other = choices
    assert first == again != other
    for name in ("3", "6"):
        assert first[name].sum(1).tolist() == [4] * 8
        assert len(first[name].unique(dim=0)) <= 2
    x = torch.randn(2, *SHAPE)
    torch.testing.assert_close(compact(chain(), first, SHAPE)(x), mask(chain(), first, SHAPE)(x))


def test_groups_by_lot_have_the_patterns_of_their_scores():
    """The best four columns of each group's summed |W|, whoever is in it."""
    network, made = chain(), method(0.5, assignment="random")
    kept = made.select(attached(network, made))["3"]
    groups = groups_by_lot(0, "3", 8, 2)
    assert groups.bincount().tolist() == [4, 4]
    for group in range(2):
        summed = network[3].weight.detach().abs().sum((2, 3))[groups == group].sum(0)
        wanted = set(summed.topk(4).indices.tolist())
        assert {tuple(row.nonzero().flatten().tolist()) for row in kept[groups == group]} == {tuple(sorted(wanted))}


def test_macs_budget_counts_what_nobody_reads():
    network = resnet(20, 10, (3, 32, 32)).eval()
    made = Group2D(Share(0.75, "macs"), 4, "l1", "score", 1, "kxk", False, "split")
    made.attach(fresh := copy.deepcopy(network), (3, 32, 32), 0)
    small = compact(network, made.select(fresh), (3, 32, 32))
    cut = 1 - count_macs(small, (3, 32, 32)) / count_macs(network, (3, 32, 32))
    assert 0.75 <= cut < 0.753


def test_groups_that_do_not_divide_a_layer():
    with pytest.raises(ValueError, match=r"groups=3 does not divide the 8 filters of '3'; the nearest that does is 2"):
        attached(chain(), method(groups=3))
    made = method(groups=3, adapt=True)
    assert len(made.select(attached(chain(), made))["3"].unique(dim=0)) <= 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"groups": 0}, "groups and levels must be 1 or more"),
        ({"score": "magic"}, "score must be one of taylor, activation, l1, random, got 'magic'"),
        ({"form": "padded"}, "form must be one of split, grouped, auto, got 'padded'"),
        ({"learn": "lasso", "levels": 2}, "levels must be 1, got 2"),
    ],
)
def test_refusals(asked, words):
    with pytest.raises(ValueError, match=words):
        method(**asked)


def test_a_score_from_data_needs_steps():
    with pytest.raises(ValueError, match=r"learns from training steps, and its stage has 0"):
        attached(chain(), method(score="taylor"), steps=0)


def test_a_ratio_that_leaves_no_channel():
    with pytest.raises(ValueError, match=r"layer=0.9 would empty layer '3' of 8"):
        attached(chain(), method(0.9))


def test_unread_filters_go_too():
    network, made = chain(), method(0.75)
    choice = made.select(attached(network, made))
    union = choice["3"].any(0)
    small = compact(network, choice, SHAPE)
    assert small.get_submodule("0").out_channels == int(union.sum())
