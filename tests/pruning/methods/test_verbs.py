"""The optional verbs of a method, through the public door: observe, penalty, end_epoch."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pruning
from pruning.methods import FilterMethod, Scores
from pruning.methods.base import Images, Loss
from pruning.testing import SAMPLES, images

SHAPE = (3, 8, 8)
EXAMPLE = torch.zeros(1, *SHAPE)
BATCHES = [(images(SHAPE, seed=seed).float(), torch.arange(4)) for seed in range(3)]


class Gradients(FilterMethod):
    """Scores by the size of gradients, penalises what it scores, and counts its epochs."""

    observes = True

    def attach(self, network: nn.Module, image_shape: tuple[int, int, int], steps: int) -> None:
        super().attach(network, image_shape, steps)
        self.sizes: dict[str, Tensor] = {}
        self.epochs: list[int] = []

    def observe(self, network: nn.Module, images: Images, loss: Loss) -> None:
        loss(network(images)).backward()
        for layer in self.layers:
            size = network.get_submodule(layer).weight.grad.abs().flatten(1).sum(1)
            self.sizes[layer] = self.sizes.get(layer, 0) + size

    def penalty(self, network: nn.Module) -> Tensor:
        return sum(network.get_submodule(layer).weight.square().sum() for layer in self.layers)

    def end_epoch(self, network: nn.Module, epoch: int) -> None:
        self.epochs.append(epoch)

    def scores(self, network: nn.Module) -> Scores:
        return self.sum_members(lambda layer: self.sizes[layer])


def network() -> nn.Module:
    return SAMPLES["chain"].network()


def test_what_is_observed_decides() -> None:
    """By hand: the gradients of three batches, each taken alone."""
    model, sizes = network(), torch.zeros(8)
    for batch, labels in BATCHES:
        model.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        sizes += model[0].weight.grad.abs().flatten(1).sum(1)
    small = pruning.prune(network().train(), EXAMPLE, Gradients, layer=0.5, data=BATCHES)
    assert small.selection["0"].any(1).nonzero().flatten().tolist() == sorted(sizes.topk(4).indices.tolist())


def test_the_loss_is_the_callers() -> None:
    """Of labels of any kind: here none of classes."""
    targets = [(batch, torch.ones(4, 4)) for batch, _ in BATCHES]
    one, other = (
        pruning.prune(network(), EXAMPLE, Gradients, layer=0.5, data=targets, loss=loss).selection
        for loss in (F.mse_loss, lambda outputs, wanted: (outputs * wanted).sum())
    )
    assert one != other


def test_without_what_it_scores_by_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Gradients scores by what batches show it: give prune\(\) data="):
        pruning.prune(network(), EXAMPLE, Gradients, layer=0.5)
    with pytest.raises(ValueError, match=r"Gradients needs labels: let data= give \(images, labels\)"):
        pruning.prune(network(), EXAMPLE, Gradients, layer=0.5, data=[batch for batch, _ in BATCHES])
    with pytest.raises(ValueError, match="Gradients scores by what batches show it, and has seen none"):
        pruning.attach(network(), EXAMPLE, Gradients, layer=0.5).finish()


def test_its_plan_needs_no_data() -> None:
    kept = {row.name: row.rows[0] for row in pruning.plan(network(), EXAMPLE, Gradients, layer=0.5).rows}
    assert kept == {"0": 4, "2": 5, "4": 3}


def test_a_plan_says_what_stands_in_for_scores_of_batches() -> None:
    said = "taylor is made of batches; until it sees them mean |W| stands in"
    assert said in str(pruning.plan(network(), EXAMPLE, "taylor", layer=0.5))
    assert "stands in" not in str(pruning.plan(network(), EXAMPLE, "l2", layer=0.5))


@pytest.mark.parametrize("name", ["taylor", "fisher", "activation", "activation_next"])
def test_a_criterion_is_made_of_the_data_that_prune_is_given(name: str) -> None:
    small = pruning.prune(network(), EXAMPLE, name, layer=0.5, data=BATCHES)
    assert small.selection.kept("0") == 4
    with pytest.raises(ValueError, match=rf"^{name} scores by what batches show it: give prune\(\) data="):
        pruning.prune(network(), EXAMPLE, name, layer=0.5)
    with pytest.raises(ValueError, match=rf"^{name} scores by what batches show it: give PruningCallback data="):
        pruning.PruningCallback(name, layer=0.5)


def test_a_loop_of_ones_own_calls_each_verb() -> None:
    """Gradients grow by that of the penalty, 2 w; a frozen weight has none."""
    model = network()
    model[2].weight.requires_grad_(False)
    pruner = pruning.attach(model, EXAMPLE, Gradients, layer=0.5)
    F.cross_entropy(model(BATCHES[0][0]), BATCHES[0][1]).backward()
    own = model[0].weight.grad.clone()
    pruner.after_backward()
    torch.testing.assert_close(model[0].weight.grad, own + 2 * model[0].weight.detach())
    assert model[2].weight.grad is None
    for _ in range(2):
        pruner.after_epoch()
    model[2].weight.requires_grad_(True)
    pruner.observe(BATCHES)
    assert pruner.method.epochs == [0, 1]
    assert pruner.finish().selection.kept("0") == 4


def test_the_budget_is_met_by_what_is_chosen_at_the_end() -> None:
    """Where layers are joined, what a choice costs depends on the filters: it is asked again once they are known."""
    residual = SAMPLES["residual"].network()
    small = pruning.prune(residual, EXAMPLE, Gradients, macs=0.3, joined="expand", data=BATCHES)
    assert small.report.after.macs <= 0.7 * small.report.before.macs
