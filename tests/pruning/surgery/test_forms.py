"""Every small form computes the same function; only its speed and its padding differ."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from pruning.files import export
from pruning.graph.cost import count_macs
from pruning.graph.graph import trace
from pruning.models import resnet, vgg16
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.surgery.align import ColumnGroups
from pruning.surgery.forms import fastest_form, to_grouped
from pruning.testing import images, random_rows, randomised, relative

SHAPE = (3, 32, 32)


def uneven(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    """Three interleaved groups: half, a third and a sixth of the rows, with patterns of different sizes."""
    draws = torch.Generator().manual_seed(seed)
    group = torch.tensor([0, 1, 0, 2, 1, 0]).repeat(rows // 6 + 1)[:rows]
    patterns = torch.zeros(3, columns, dtype=torch.bool)
    for pattern, share in zip(patterns, (4, 2, 3), strict=True):
        pattern[torch.randperm(columns, generator=draws)[: columns // share]] = True
    return patterns[group]


def small_vgg() -> nn.Module:
    """Unequal groups in all layers but the first, rows gone too."""
    whole = randomised(vgg16(10, SHAPE))
    kernels = random_rows(trace(whole, SHAPE), 0.3, 0).to_arrays()
    for rows in kernels.values():
        if rows.shape[1] > 3:
            rows &= uneven(*rows.shape).numpy()
    return compact(whole, Selection.from_arrays(kernels), SHAPE)


def small_resnet() -> nn.Module:
    """Groups before a norm, before an addition, and with a stride."""
    whole = randomised(resnet(20, 10, SHAPE, "A"))
    names = {"layer1.1.conv2": 16, "layer2.0.conv1": 16, "layer3.1.conv1": 64}
    rows = {name: len(whole.get_submodule(name).get_parameter("weight")) for name in names}
    return compact(whole, Selection({name: uneven(rows[name], wide) for name, wide in names.items()}), SHAPE)


SMALL = {"vgg16": small_vgg, "resnet20": small_resnet}


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_both_forms_are_the_same_function(name: str) -> None:
    split, batch = SMALL[name](), images(SHAPE)
    keys = list(split.state_dict())
    joined = to_grouped(split)
    assert relative(split(batch), joined(batch)) <= 1e-12
    assert not any(isinstance(layer, ColumnGroups) for layer in joined.modules())
    assert list(split.state_dict()) == keys  # a copy: what is stored stays
    assert torch.equal(copy.deepcopy(joined)(batch), joined(batch))


def test_padding_runs_on_to_the_next_choice_of_channels() -> None:
    """Convolution, norm and ReLU stay neighbours, as runtimes fuse them."""
    joined = to_grouped(small_vgg())
    made = [layer for layer in joined.modules() if isinstance(layer, nn.Sequential)]
    assert [[type(step).__name__ for step in steps] for steps in made] == [["Choose", "Conv2d"]] * 12
    wide = [steps[1].out_channels for steps in made]
    norms = [layer.num_features for layer in joined.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms[1:] == wide


def test_padding_stays_where_all_channels_are_read() -> None:
    """Before an addition."""
    kinds = {
        type(steps[-1]).__name__ for steps in to_grouped(small_resnet()).modules() if isinstance(steps, nn.Sequential)
    }
    assert "Choose" in kinds


def test_groups_in_whole_registers_are_filled_up_to_them() -> None:
    columns = [torch.arange(16), torch.arange(8, 24)]
    split = ColumnGroups([nn.Conv2d(16, rows, 1) for rows in (18, 5)], columns)
    assert to_grouped(nn.Sequential(split))[0][1].out_channels == 2 * 32


def by_hand(bias: bool = True) -> nn.Sequential:
    """Two filters on channels 0, 2, 3; one on channel 1."""
    convs = [nn.Conv2d(3, 2, 3, padding=1, bias=bias), nn.Conv2d(1, 1, 3, padding=1, bias=bias)]
    return nn.Sequential(ColumnGroups(convs, [torch.tensor([0, 2, 3]), torch.tensor([1])]))


@pytest.mark.parametrize("bias", [True, False])
def test_padding_by_hand(bias: bool) -> None:
    split = by_hand(bias)
    gather, conv, rows = to_grouped(split)[0]
    assert gather.index.tolist() == [0, 2, 3, 1, 1, 1]  # the padding reads the group's own channel
    assert (conv.groups, conv.in_channels, conv.out_channels) == (2, 6, 4)
    assert rows.index.tolist() == [0, 1, 2]
    first, second = split[0].convs
    assert torch.equal(conv.weight[:2], first.weight)
    assert torch.equal(conv.weight[2:3, :1], second.weight)
    assert not conv.weight[3].any()
    assert not conv.weight[2, 1:].any()
    assert (conv.bias is None) is not bias


def test_padding_costs_macs() -> None:
    assert count_macs(by_hand(), (4, 5, 5)) == (2 * 3 + 1) * 9 * 25
    assert count_macs(to_grouped(by_hand()), (4, 5, 5)) == 2 * (2 * 3) * 9 * 25


def test_equal_groups_need_no_choice_of_rows() -> None:
    columns = [torch.tensor([0, 2]), torch.tensor([1, 2])]
    made = to_grouped(nn.Sequential(ColumnGroups([nn.Conv2d(2, 3, 1) for _ in columns], columns)))
    assert [type(layer).__name__ for layer in made[0]] == ["Choose", "Conv2d"]


def test_padding_carries_no_infinity_from_other_groups() -> None:
    x = torch.zeros(1, 4, 5, 5)
    x[:, 0] = torch.inf
    split = by_hand()
    assert torch.equal(to_grouped(split)(x)[:, 2], split(x)[:, 2])


def test_modes_and_frozen_weights_are_kept() -> None:
    split = by_hand().eval().requires_grad_(False)
    made = to_grouped(split)
    assert not any(module.training for module in made.modules())
    assert not any(parameter.requires_grad for parameter in made.parameters())


def test_a_network_without_groups_is_not_timed() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3))
    form, made = fastest_form(plain, torch.randn(2, 3, 8, 8))
    assert form == "split"
    assert made is plain


def test_the_fastest_form_is_one_of_the_two() -> None:
    split, x = by_hand().eval(), torch.randn(2, 4, 8, 8)
    form, made = fastest_form(nn.Sequential(nn.Conv2d(3, 4, 1), split).eval(), x[:, :3])
    assert form in ("split", "grouped")
    assert any(isinstance(layer, ColumnGroups) for layer in made.modules()) == (form == "split")


def test_the_grouped_form_as_onnx(tmp_path: Path) -> None:
    for library in export.EXTRA:
        pytest.importorskip(library)
    assert export.onnx(to_grouped(small_resnet().float()), SHAPE, tmp_path / "grouped.onnx") < 1e-5
