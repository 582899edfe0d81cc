"""Linear layers on channels are cut as 1x1 convolutions, where they are asked for and nowhere else."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pruning
from pruning.graph.graph import trace
from pruning.graph.sites import sites
from pruning.testing import randomised

EXAMPLE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()


class Block(nn.Module):
    """ConvNeXt's."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide, self.narrow = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.rand(channels, 1, 1) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.scale * self.narrow(F.gelu(self.wide(y))).permute(0, 3, 1, 2)


class Gate(nn.Module):
    """Squeeze-and-excitation of linear layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, 4), nn.Linear(4, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]


def network(*middle: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)
    return randomised(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *middle, *head))


def widths(pruned: pruning.Pruned) -> dict[str, int]:
    return {
        name: len(layer.weight)  # type: ignore[arg-type]
        for name, layer in pruned.network.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    }


@pytest.mark.parametrize("method", ["l1", "random"])
def test_a_stream_gets_narrow_with_the_linear_layers_that_make_it(method: str) -> None:
    cut = pruning.prune(network(Block(8)), EXAMPLE, method, layer=0.5, joined="couple", linear=True)
    assert widths(cut) == {"0": 4, "1.depthwise": 4, "1.wide": 16, "1.narrow": 4, "4": 3, "6": 4}
    assert "1.wide" in str(cut)


def test_linear_layers_stay_whole_unless_they_are_asked_for() -> None:
    cut = pruning.prune(network(nn.Conv2d(8, 8, 1)), EXAMPLE, "l1", layer=0.5)
    assert widths(cut) == {"0": 4, "1": 4, "4": 6, "6": 4}
    assert "\n4 " not in str(cut)


def test_within_a_budget_of_macs() -> None:
    plan = pruning.plan(network(Block(8)), EXAMPLE, "l1", macs=0.6, joined="couple", linear=True)
    assert {row.name: row.verdict.partition(":")[0] for row in plan.rows} == {
        **dict.fromkeys(("0", "1.wide", "1.narrow", "4"), "cut"),
        "1.depthwise": "depthwise",
        "6": "classes",
    }
    assert 0.6 <= 1 - plan.after.macs / plan.before.macs < 0.7


def test_gates_and_classes_are_known() -> None:
    found = sites(trace(network(Gate(8)), (3, 8, 8)), linear=True)
    assert {name for name, site in found.items() if site.gating} == {"1.excite"}
    assert {name for name, site in found.items() if site.final} == {"6"}


def test_patterns_name_linear_layers() -> None:
    cut = pruning.prune(network(), EXAMPLE, "l1", layer={"3": 2}, linear=True, include=["3"])
    assert widths(cut) == {"0": 8, "3": 2, "5": 4}


def test_gates_that_learn_sit_on_linear_layers() -> None:
    model = network(Block(8))
    pruner = pruning.attach(model, EXAMPLE, "fcf", steps=200, layer=0.5, joined="keep", cross=False, linear=True)
    model(EXAMPLE).square().sum().backward()
    pruner.after_backward()
    pruner.after_step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gates stopped half-way
        assert widths(pruner.finish())["1.wide"] == 16
