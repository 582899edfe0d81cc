"""What a user writes with his own network, loss and loop."""

import copy
import doctest
import io
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pruning
from pruning import api, pruner
from pruning.files import artifact
from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.models import resnet
from pruning.selection import convolutions
from pruning.surgery.certificate import flatten_output
from pruning.testing.samples import Residual
from support.outputs import Outputs
from support.rows import network

SHAPE = (3, 8, 8)
EXAMPLE = torch.randn(1, *SHAPE)


def residual() -> nn.Module:
    return network("residual")


def test_one_call_leaves_the_model_and_gives_a_smaller_one_with_its_proof() -> None:
    model = residual()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    small = pruning.prune(model, EXAMPLE, "l1", macs=0.3, exclude=["convs.0"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert small.report is not None
    assert small.report.certificate < 1e-5
    assert small.report.after.macs <= 0.7 * small.report.before.macs
    rows = {row.name: row for row in small.report.rows}
    assert rows["convs.0"].rows == (12, 12)
    assert rows["convs.0"].verdict == "aside: left out by include or exclude"
    assert rows["convs.2"].verdict == "cut"
    assert "certificate" in str(small)
    assert str(small.report.after.macs) in repr(small).replace(",", "")
    F.cross_entropy(small.network.train()(torch.randn(4, *SHAPE)), torch.arange(4)).backward()


def test_exact_counts_are_met() -> None:
    small = pruning.prune(residual(), EXAMPLE, "l1", layer={"convs.0": 5, "convs.2": 0.5})
    assert [small.selection.kept(name) for name in ("convs.0", "convs.1", "convs.2")] == [5, 12, 6]


@pytest.mark.parametrize("outputs", ["tuple", "dict"])
def test_every_output_of_several_is_certified(outputs: str) -> None:
    """The certificate is the largest difference of any; a small network wrong in the last alone gets none."""
    model, images = Outputs(outputs).eval(), torch.randn(4, *SHAPE)
    small = pruning.prune(model, images, "l1", layer=0.5, exclude="second", data=[images])
    assert small.report is not None
    masked = pruning.mask(copy.deepcopy(model), small.selection, SHAPE)
    pairs = list(zip(flatten_output(masked(images)), flatten_output(small.network(images)), strict=True))
    assert len(pairs) == 2
    assert type(small.network(images)) is type(model(images))
    worst = max(((a - b).abs().max() / a.abs().max()).item() for a, b in pairs)
    assert small.report.certificate == pytest.approx(worst, abs=1e-6)
    with torch.no_grad():
        small.network.get_submodule("second").get_parameter("bias").add_(1.0)
    with pytest.raises(ValueError, match=r"^no certificate: small and masked network differ in output '(1|pixels)' by"):
        pruning.certify(masked, small.network, images)


def test_several_inputs_and_outputs_come_through_every_door(tmp_path: Path) -> None:
    """By the names of forward, with whole numbers among them; its flag has its default."""
    example = {"vector": torch.randn(2, 4), "x": torch.randn(2, *SHAPE), "label": torch.arange(2)}
    data = [(example, torch.arange(2))]
    small = pruning.prune(Conditioned(), example, "l1", layer=0.5, data=data)
    assert small.image_shape == {"vector": (4,), "x": SHAPE, "label": (torch.int64,)}
    assert small.report is not None
    assert small.report.after.macs < small.report.before.macs
    assert str(pruning.plan(Conditioned(), example, "l1", layer=0.5)) in str(small)
    assert pruning.export(small, tmp_path / "small.onnx") < 1e-5
    pruning.save(small, tmp_path)
    again = pruning.load(tmp_path)
    assert again.image_shape == small.image_shape
    outputs, others = (flatten_output(each.network(**example)) for each in (small, again))
    assert len(outputs) == 2
    assert all(map(torch.equal, outputs, others))


class Conditioned(nn.Module):
    """A vector and a class choose the scale of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.embed, self.scale, self.head = nn.Embedding(5, 8), nn.Linear(4, 8), nn.Linear(6, 4)

    def forward(self, x: Tensor, vector: Tensor, *, label: Tensor, features: bool = False) -> Any:
        scale = self.scale(vector) + self.embed(label)
        x = self.second(self.first(x).relu() * scale[:, :, None, None])
        return x if features else {"pixels": x, "image": (self.head(x.mean((2, 3))), None)}


@pytest.mark.parametrize(("kind", "shape"), [(nn.Conv1d, (3, 9)), (nn.Conv3d, (3, 2, 5, 6))])
def test_networks_of_other_ranks_are_saved_and_loaded(kind: Any, shape: tuple[int, ...], tmp_path: Path) -> None:
    model = nn.Sequential(kind(3, 8, 3, padding=1), nn.ReLU(), kind(8, 4, 3, padding=1), nn.Flatten())
    small = pruning.prune(model, torch.randn(1, *shape), "l1", layer={"0": 3})
    assert small.network.get_submodule("0").out_channels == 3
    pruning.save(small, tmp_path)
    again, images = pruning.load(tmp_path), torch.randn(2, *shape)
    assert again.image_shape == shape
    assert torch.equal(again.network(images), small.network(images))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_certified_in_float32(kind: torch.dtype) -> None:
    small = pruning.prune(residual().to(kind), EXAMPLE.to(kind), "l1", macs=0.3)
    assert small.report is not None
    assert small.report.certificate < 1e-5
    assert {parameter.dtype for parameter in small.network.parameters()} == {kind}


def test_a_selection_of_ones_own() -> None:
    choice = pruning.Selection.of_rows(residual(), {"convs.0": torch.arange(12) < 5})
    small = pruning.prune(residual(), EXAMPLE, choice)
    assert small.selection == choice
    assert small.network.get_submodule("convs.0").out_channels == 5


WRONG = [
    ({"macs": 1.2}, r"^macs must lie in \[0, 1\), got 1.2: it is the share that is removed$"),
    ({"macs": 0.5, "params": 0.5}, r"^give one of macs=, .*, got macs=0.5, params=0.5$"),
    ({}, r"^give one of macs=, params=, filters=, layer=, budget= to say how much goes, got none of them$"),
    ({"layer": {"convs.0": 0}, "include": ["convz.*"]}, r"^include: 'convz.\*' fits no convolution .* near: convs.0"),
    ({"layer": 0.5, "exclude": ["hed.*"]}, r"^exclude: 'hed.\*' fits no layer of the network; near: head"),
    ({"layer": 0.5, "exclude": ["*"]}, r"^exclude: \* leaves no convolution to cut$"),
    ({"layer": 0.5, "joined": "join"}, r"^joined must be one of keep, expand, couple, got 'join'$"),
    ({"layer": 0.5, "join": "keep"}, r"^L1 takes joined, .*got join='keep'; did you mean joined\?$"),
    ({"layer": {"convs.0": 13}}, r"^layer\[convs.0\] must be 12 or less, the layer's width, got 13$"),
    ({"macs": 0.99}, r"^macs=0.99 cannot be met .*\(joined=expand\)$"),
    (
        {"method": "l9", "macs": 0.5},
        r"^method must be one of dense, random, l1, fcf, gradual, slimming, torch_pruning, group2d, .* or .* got 'l9'$",
    ),
    ({"method": "fcf_ours", "macs": 0.5}, r"^method 'fcf_ours' is called 'gradual' now$"),
    ({"method": "dense", "macs": 0.5}, r"^macs= is not for Dense, which has no budget"),
    ({"method": "fcf", "macs": 0.3}, r"^FCF learns .* pruning.attach\(.* or pruning.PruningCallback"),
    ({"method": "group2d", "layer": 0.5}, r"^Group2D scores by what batches show it: give prune\(\) data="),
    ({"example": EXAMPLE[0], "macs": 0.5}, r"^Residual does not take images of \(8, 8\) at .*samples"),
    (
        {"example": EXAMPLE.double(), "macs": 0.5},
        r"^example is torch.float64 on cpu, the model computes in ",
    ),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_errors_name_the_arguments(arguments: dict, words: str) -> None:
    given = {"example": EXAMPLE, "method": "l1"} | arguments
    with pytest.raises(ValueError, match=words):
        pruning.prune(residual(), **given)


def test_scores_that_need_gradients_take_them_from_data() -> None:
    """Batches that are nearly alike are worth the same to it, and another loss is not."""
    torch.manual_seed(0)
    data = [(torch.randn(8, *SHAPE), torch.arange(8) % 4) for _ in range(2)]
    model = residual()
    small = pruning.prune(model, EXAMPLE, "group2d", data=data, layer=0.5, groups=2)
    assert small.selection != pruning.prune(model, EXAMPLE, "group2d", layer=0.5, groups=2, score="l1").selection
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(ValueError, match=r"Group2D needs labels: let data= give \(images, labels\)"):
        pruning.prune(model, EXAMPLE, "group2d", data=[images for images, _ in data], layer=0.5, groups=2)


def test_a_loop_of_ones_own() -> None:
    model = Residual()
    attached = pruning.attach(model, EXAMPLE, "group2d", steps=4, layer=0.5, groups=2, levels=2)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(4):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(8, *SHAPE)), torch.arange(8) % 4).backward()
        attached.after_backward()
        optimizer.step()
        attached.after_step()
    small = attached.finish()
    assert list(model.state_dict()) == list(Residual().state_dict())
    assert small.report is not None
    assert small.report.after.macs < small.report.before.macs


def test_a_plan_cuts_nothing_and_says_what_prune_does() -> None:
    planned = pruning.plan(residual(), EXAMPLE, "l1", macs=0.3)
    small = pruning.prune(residual(), EXAMPLE, "l1", macs=0.3)
    assert small.report is not None
    assert (planned.rows, planned.after) == (small.report.rows, small.report.after)
    assert str(planned).splitlines() == str(small).splitlines()[:-2]


def test_again_and_again_to_depth_five() -> None:
    """Each round's network is the first, full-size one with all filters silenced that any round until then took."""
    model, images = resnet(8, 10, (3, 32, 32)).eval(), torch.randn(2, 3, 32, 32)
    remaining = {name: torch.arange(len(conv.weight)) for name, conv in convolutions(model).items()}
    current, costs = model, []
    for _ in range(5):
        graph = trace(current, (3, 32, 32))
        small = pruning.prune(current, images, "l1", layer=0.2, joined="expand", data=[images])
        kept = analyse(graph, small.selection)
        remaining |= {name: remaining[name][kept.need(conv.node)] for name, conv in graph.convolutions().items()}
        rows = {n: torch.isin(torch.arange(len(model.get_submodule(n).weight)), r) for n, r in remaining.items()}
        masked = pruning.mask(model, pruning.Selection.of_rows(model, rows), (3, 32, 32))
        assert pruning.certify(masked, small.network, images) < 1e-4
        current, report = small.network, small.report
        assert report is not None
        costs += [report.before, report.after]
    assert costs[1:-1:2] == costs[2::2]
    assert costs[-1].macs < 0.35 * costs[0].macs


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_the_small_network_is_a_plain_module() -> None:
    model, images = resnet(8, 10, (3, 32, 32)).eval(), torch.randn(2, 3, 32, 32)
    small = pruning.prune(model, images, "l1", layer=0.5, joined="expand").network
    wanted, buffer = small(images), io.BytesIO()
    torch.save(small, buffer)
    buffer.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others = [
            torch.load(buffer, weights_only=False),
            copy.deepcopy(small),
            torch.jit.script(small),
            torch.jit.trace(small, images),
            torch.export.export(small, (images,)).module(),
        ]
    for other in others:
        torch.testing.assert_close(other(images), wanted)


@pytest.mark.parametrize("module", [api, artifact, pruner], ids=lambda module: module.__name__)
def test_examples_in_docstrings_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def test_it_knows_its_version() -> None:
    assert pruning.__version__[0].isdigit()
