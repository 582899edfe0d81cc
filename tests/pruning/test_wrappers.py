"""prune goes to the network inside: of processes, of a compiler, of an average, of a LightningModule."""

from typing import Any

import pytest
import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models.feature_extraction import create_feature_extractor

import pruning
from pruning.wrappers import unwrap
from support.rows import network

EXAMPLE = torch.randn(2, 3, 8, 8)


class Module(LightningModule):
    """Its forward calls the network; beside it are a metric and a loss."""

    def __init__(self, forward: Any = None) -> None:
        super().__init__()
        self.model, self.loss, self.softmax = network("residual"), nn.CrossEntropyLoss(), nn.Softmax(1)
        if forward is not None:
            self.forward = forward.__get__(self)  # type: ignore[method-assign]


class Plain(Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Itself(Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.softmax(self.model(x))


class Student(Module):
    """Without a forward, with two networks."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = network("residual")


WRAPPERS = {
    "processes": nn.DataParallel,
    "a compiler": torch.compile,
    "an average": AveragedModel,
    "two of them": lambda model: torch.compile(nn.DataParallel(model)),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_network_inside_is_pruned(name: str) -> None:
    model = network("residual")
    small = pruning.prune(WRAPPERS[name](model), EXAMPLE, "l1", layer=0.5, joined="expand")
    wanted = pruning.prune(model, EXAMPLE, "l1", layer=0.5, joined="expand")
    assert small.selection == wanted.selection
    assert small.network.state_dict().keys() == wanted.network.state_dict().keys()
    assert str(pruning.plan(WRAPPERS[name](model), EXAMPLE, "l1", layer=0.5))


@pytest.mark.parametrize(("build", "inner"), [(Plain, "model"), (Module, "model"), (Itself, "")])
def test_of_a_lightning_module_what_its_forward_calls(build: Any, inner: str) -> None:
    module = build().eval()
    small = pruning.prune(module, EXAMPLE, "l1", layer=0.5)
    whole = module.get_submodule(inner)
    assert set(small.network.state_dict()) <= set(whole.state_dict())
    torch.testing.assert_close(pruning.mask(whole, small.selection, (3, 8, 8))(EXAMPLE), small.network(EXAMPLE))
    pruner = pruning.attach(module, EXAMPLE, "l1", layer=0.5)
    assert pruner.network is whole


def test_of_two_networks_one_must_be_named() -> None:
    with pytest.raises(ValueError, match=r"^Student has no forward and 2 networks \(model, teacher\): give the one"):
        pruning.prune(Student(), EXAMPLE, "l1", layer=0.5)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda model: torch.export.export(model, (EXAMPLE,)), "model is an exported program, which cannot be cut"),
        (lambda model: torch.jit.trace(model, EXAMPLE), r"scripted \(torch.jit\), .*: prune it first"),
        (lambda model: nn.Sequential(torch.jit.trace(model, EXAMPLE)), "^'0' of the model is scripted"),
        (lambda model: nn.Sequential(torch.ao.nn.quantized.ReLU6()), "^'0' of the model is quantised, .*: prune it"),
        (lambda model: model.state_dict(), "model must be a torch.nn.Module, got a OrderedDict"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_what_has_no_forward_any_more_is_refused(build: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        unwrap(build(network("residual")))


def test_an_extractor_of_features_is_a_network() -> None:
    model = network("residual")
    extractor = create_feature_extractor(model, {"relu": "early", "head": "late"})
    small = pruning.prune(extractor, EXAMPLE, "l1", layer=0.5).network
    assert {name: value.shape for name, value in small(EXAMPLE).items()} == {
        name: value.shape for name, value in extractor(EXAMPLE).items()
    }


def test_a_block_with_a_hook_stays_whole_and_keeps_it() -> None:
    """The hook of a block that is traced through would be lost."""
    seen: list[Tensor] = []
    body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), body, nn.Conv2d(8, 4, 1)).eval()
    body.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    small = pruning.prune(model, EXAMPLE, "l1", layer={"0": 4})
    assert small.report is not None
    reasons = {row.name: row.verdict for row in small.report.rows}
    assert reasons["2.0"].startswith("inside '2', which stays whole: hooked: the forward hook <lambda> sees")
    seen.clear()
    small.network(EXAMPLE)
    assert [tuple(output.shape) for output in seen] == [(2, 8, 6, 6)]
