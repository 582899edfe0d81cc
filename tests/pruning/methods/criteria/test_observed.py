"""What batches show, against a few lines of autograd that know nothing of graphs and hooks."""

import copy
import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.budget import PerLayer
from pruning.graph.graph import trace
from pruning.methods.base import Loss
from pruning.methods.criteria import CRITERIA, Moments, Scored, gather_moments
from pruning.testing import SAMPLES, images

SHAPE = (3, 8, 8)
BATCHES = [
    (images(SHAPE, 4, seed=1).float(), torch.arange(4)),
    (images(SHAPE, 2, seed=2).float(), torch.tensor([3, 0])),
]
ALL = [(image[None], label[None]) for batch in BATCHES for image, label in zip(*batch, strict=True)]


def with_loss(batches: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Loss]]:
    return [(inputs, lambda outputs, labels=labels: F.cross_entropy(outputs, labels)) for inputs, labels in batches]


def scores(criterion: str, network: nn.Module, **arguments: object) -> dict[str, Tensor]:
    method = Scored(PerLayer(0.5), criterion, **arguments)
    method.begin_stage(network, SHAPE, 0)
    method.observe_batches(network, with_loss(BATCHES))
    return method.scores(network)


def mean_over_images(network: nn.Module, figure: Callable[[nn.Module], Tensor]) -> Tensor:
    """Of gradients, image by image."""
    figures = []
    for image, label in ALL:
        network.zero_grad()
        F.cross_entropy(network(image), label).backward()
        figures.append(figure(network))
    return torch.stack(figures).mean(0)


def test_taylor_at_the_norm() -> None:
    """By the gradients of gamma and beta, one image at a time."""
    network, found = SAMPLES["residual"].network(), scores("taylor", SAMPLES["residual"].network())
    for name, behind in (("stem", "norms.4"), ("convs.0", "norms.0"), ("convs.2", "norms.2")):
        norm = network.get_submodule(behind)
        wanted = mean_over_images(network, lambda _, n=norm: (n.weight * n.weight.grad + n.bias * n.bias.grad).square())
        torch.testing.assert_close(found[name], wanted.detach(), rtol=1e-4, atol=1e-12)


def test_taylor_without_a_norm_behind_activations_in_place() -> None:
    network, found = SAMPLES["chain"].network(), scores("taylor", SAMPLES["chain"].network())
    assert list(found) == ["0", "2", "4"]
    for name, figures in found.items():
        weight = network.get_submodule(name).weight
        wanted = mean_over_images(network, lambda _, w=weight: (w * w.grad).flatten(1).sum(1).square())
        torch.testing.assert_close(figures, wanted.detach(), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("sample", ["chain", "residual", "branches"])
def test_fisher(sample: str) -> None:
    network, found = SAMPLES[sample].network(), scores("fisher", SAMPLES[sample].network())
    for name, figures in found.items():
        weight = network.get_submodule(name).weight
        wanted = mean_over_images(network, lambda _, w=weight: (w * w.grad).square().flatten(1).sum(1) / 2)
        torch.testing.assert_close(figures, wanted.detach(), rtol=1e-4, atol=1e-12)


class Layers(nn.Module):
    """What has a form of its own: transposed, padded by reflection or "same", in groups, linear, an instance norm."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 6, 2, stride=2)
        self.mirrored = nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect", stride=2)
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.same = nn.Conv2d(4, 8, 2, padding="same", dilation=2)
        self.grouped = nn.Conv2d(8, 8, 3, groups=2)
        self.hidden, self.head = nn.Linear(8, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.up(x), inplace=True)
        x = F.relu(self.norm(self.mirrored(x)))
        x = F.silu(self.grouped(F.hardtanh(self.same(x), inplace=True)))
        return self.head(F.gelu(self.hidden(x.mean((2, 3)))))


def layers() -> nn.Module:
    torch.manual_seed(0)
    return Layers().eval()


EVERY = {"linear": True, "grouped": "inside"}


def test_fisher_of_layers_of_every_form() -> None:
    network, found = layers(), scores("fisher", layers(), **EVERY)
    assert {"up", "mirrored", "same", "grouped", "hidden"} <= set(found)
    for name, figures in found.items():
        layer = network.get_submodule(name)

        def figure(_: nn.Module, layer: nn.Module = layer) -> Tensor:
            changes = (layer.weight * layer.weight.grad).square()
            return (changes.transpose(0, 1) if layer is network.up else changes).flatten(1).sum(1) / 2

        torch.testing.assert_close(figures, mean_over_images(network, figure).detach(), rtol=1e-4, atol=1e-12)


def test_taylor_of_layers_of_every_form() -> None:
    """In place or not, as many gradients as places; at an instance norm, too."""
    network, found = layers(), scores("taylor", layers(), **EVERY)
    for name, figures in found.items():
        layer = network.norm if name == "mirrored" else network.get_submodule(name)

        def figure(_: nn.Module, layer: nn.Module = layer) -> Tensor:
            parts = layer.weight * layer.weight.grad
            if layer is network.norm:
                return (parts + layer.bias * layer.bias.grad).square()
            return (parts.transpose(0, 1) if layer is network.up else parts).flatten(1).sum(1).square()

        torch.testing.assert_close(figures, mean_over_images(network, figure).detach(), rtol=1e-4, atol=1e-12)


def test_activation_is_behind_norm_and_activation() -> None:
    network, found = SAMPLES["residual"].network(), scores("activation", SAMPLES["residual"].network(), joined="expand")
    assert set(found) >= {"convs.0", "convs.1"}
    seen: dict[str, list[Tensor]] = {"convs.0": [], "convs.1": []}
    for image, _ in ALL:
        x = F.relu(network.norms[4](network.stem(image)))
        first = F.relu(network.norms[0](network.convs[0](x)))
        seen["convs.0"].append(first.abs().mean((0, 2, 3)))
        seen["convs.1"].append(network.norms[1](network.convs[1](first)).abs().mean((0, 2, 3)))  # added, then activated
    for name, figures in seen.items():
        torch.testing.assert_close(found[name], torch.stack(figures).mean(0).detach(), rtol=1e-4, atol=1e-7)


def test_activation_next_weighs_by_the_kernels_that_read() -> None:
    """Of the next layer: of one in a concatenation its columns there, and depthwise its own kernel."""
    network = SAMPLES["branches"].network()
    alone, found = scores("activation", copy.deepcopy(network)), scores("activation_next", network)
    readers = {
        "stem.0": network.depthwise[0].weight.abs().sum((1, 2, 3)),
        "wide.0": network.last[0].weight[:, :10].abs().sum((0, 2, 3)),
        "narrow.0": network.last[0].weight[:, 10:].abs().sum((0, 2, 3)),
        "last.0": network.head[0].weight.abs().sum(0).view(12, 16).sum(1),
    }
    for name, sums in readers.items():
        torch.testing.assert_close(found[name], alone[name] * sums.detach(), rtol=1e-4, atol=1e-7)


# -- gathering ---------------------------------------------------------------------------------------------------------


def test_moments_are_gathered_once_for_all_criteria() -> None:
    network = SAMPLES["branches"].network()
    graph, names = trace(network, SHAPE), ["wide.0", "last.0"]
    together = gather_moments(network, graph, names, ["activation", "taylor", "fisher"], with_loss(BATCHES))
    assert together.images == len(ALL)
    for quantity in ("activation", "taylor", "fisher"):
        alone = gather_moments(network, graph, names, [quantity], with_loss(ALL))
        for name in names:
            torch.testing.assert_close(together.mean(quantity, name), alone.mean(quantity, name), rtol=1e-4, atol=1e-9)
    method = Scored(PerLayer(0.5), "taylor", only=["wide.0"])
    method.begin_stage(network, SHAPE, 0)
    method.take_moments(together)
    assert method.select(network).kept("wide.0") == 5


def test_the_network_stays_as_it_is() -> None:
    network = SAMPLES["residual"].network().train()
    network.convs[0].weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    scores("fisher", network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert [name for name, parameter in network.named_parameters() if not parameter.requires_grad] == ["convs.0.weight"]
    assert all(module.training for module in network.modules())


def test_a_batch_leaves_nothing_behind() -> None:
    """No tensor is alive that was not before: hooks and what they keep would be a cycle through autograd."""
    network = SAMPLES["residual"].network()
    graph, counts = trace(network, SHAPE), []
    for _ in range(3):
        gather_moments(network, graph, ["convs.0", "convs.1"], ["taylor", "fisher"], with_loss(BATCHES))
        gc.collect()
        counts.append(sum(type(each) is Tensor for each in gc.get_objects()))
    assert counts[1] == counts[2]


def test_activations_ask_for_no_labels() -> None:
    network = SAMPLES["chain"].network()

    def refuse(outputs: Tensor) -> Tensor:
        raise AssertionError("nobody needs a loss")

    method = Scored(PerLayer(0.5), "activation_next")
    method.begin_stage(network, SHAPE, 0)
    method.observe_batches(network, [(batch, refuse) for batch, _ in BATCHES])
    assert method.select(network).kept("0") == 4


@pytest.mark.parametrize("name", [name for name, each in CRITERIA.items() if each.quantity])
def test_a_new_stage_has_seen_nothing(name: str) -> None:
    network = SAMPLES["chain"].network()
    method = Scored(PerLayer(0.5), name)
    method.begin_stage(network, SHAPE, 0)
    method.observe_batches(network, with_loss(BATCHES))
    method.select(network)
    method.begin_stage(network, SHAPE, 0)
    assert method.moments == Moments()
    with pytest.raises(ValueError, match=rf"^{name} scores by what batches show it, and has seen none: give"):
        method.select(network)


def test_processes_add_up_what_they_have_seen(tmp_path: Path) -> None:
    """Two, each with its own share, end with the sums of all images."""
    one, other = ({"taylor": {"a": torch.tensor(sums, dtype=torch.double)}} for sums in ([1.0, 2.0], [4.0, 6.0]))
    both = Moments(3, one) + Moments(1, other)
    assert both.mean("taylor", "a").tolist() == [5 / 4, 2.0]
    assert (Moments() + both, both + Moments()) == (both, both)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        assert both.all_reduce().mean("taylor", "a").tolist() == [5 / 4, 2.0]
    finally:
        dist.destroy_process_group()
