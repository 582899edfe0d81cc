import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import StochasticDepth

from pruning.graph.graph import trace
from pruning.graph.tracing import skeleton

SHAPE = (3, 8, 8)


def test_shapes_are_those_of_a_batch_of_two() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(180, 2)), SHAPE)
    assert [graph.shape(node) for node in graph.ops if node.op == "call_module"] == [(2, 5, 6, 6), (2, 180), (2, 2)]


def test_a_norm_with_an_activation_gives_what_it_takes() -> None:
    kind = pytest.importorskip("timm.layers").BatchNormAct2d
    graph = trace(nn.Sequential(nn.Conv2d(3, 5, 3), kind(5), nn.MaxPool2d(2)), SHAPE)
    assert [graph.shape(node) for node in graph.ops if node.op == "call_module"] == [(2, 5, 6, 6)] * 2 + [(2, 5, 3, 3)]
    with pytest.raises(ValueError, match="does not take images"):
        trace(nn.Sequential(nn.Conv2d(3, 5, 3), kind(4)), SHAPE)


def test_the_network_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trace(network, SHAPE)
    assert network.training
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())


def test_a_skeleton_has_shapes_and_no_numbers_and_keeps_ties() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    network[1].weight = network[0].weight
    network[0].weight.requires_grad_(False)
    bare = skeleton(network)
    assert {parameter.device.type for parameter in bare.parameters()} == {"meta"}
    assert bare[1].weight is bare[0].weight
    assert not bare[0].weight.requires_grad
    assert network[0].weight.device.type == "cpu"


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:  # the line that is to be named
            x = -x
        return self.conv(x)


def test_an_untraceable_network_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"cannot trace Branching at .*test_tracing.py:") as refusal:
        trace(Branching(), SHAPE)
    assert "if x.sum() > 0:" in str(refusal.value)
    assert "the branch on a tensor's value" in str(refusal.value)
    assert "torch.where" in str(refusal.value)
    assert "\n" not in str(refusal.value)


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.conv(x), training=self.training)


@pytest.mark.parametrize("training", [True, False])
def test_a_dropout_that_follows_the_mode_becomes_torchs_layer(training: bool) -> None:
    (node,) = (n for n in trace(nn.Sequential(Dropping()).train(training), SHAPE).ops if n.name == "dropout")
    assert node.op == "call_module"
    assert node.target == "0.dropout"


def test_a_module_that_reads_the_training_flag_stays_whole() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(3, 4, 1), StochasticDepth(0.5, "row")).train(), SHAPE)
    assert [node.target for node in graph.ops if node.op == "call_module"] == ["0", "1"]


def test_images_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"does not take images of \(4, 8, 8\)"):
        trace(nn.Conv2d(3, 4, 1), (4, 8, 8))


class Coding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.code(x)


def test_a_name_that_torch_fx_keeps_is_refused() -> None:
    with pytest.raises(ValueError, match="Coding: a layer or tensor of it is called 'code'"):
        trace(Coding(), SHAPE)
    trace(nn.Sequential(Coding()), SHAPE)


power = torch.pow


class Raising(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return power(2.0, x)


def test_a_function_that_a_users_file_holds_leaves_no_trace_in_torch_fx() -> None:
    trace(nn.Sequential(nn.Conv2d(3, 4, 1), Raising()), SHAPE)
    trace(nn.Sequential(nn.Conv2d(3, 4, 1)), SHAPE)


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.conv, self.reentrant = nn.Conv2d(3, 4, 1), reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return checkpoint(self.conv, x, use_reentrant=self.reentrant)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_function_of_autograd_is_refused_where_it_would_crash_the_interpreter(reentrant: bool) -> None:
    with pytest.raises(ValueError, match=r"calls a torch.autograd.Function .* switch checkpointing off"):
        trace(Checkpointed(reentrant), (3, 4, 4))
