"""No method waits for its device in a step: on a GPU that is not there, where reading a number is an error."""

import pytest
import torch
from torch import nn

from pruning.methods.base import PruningMethod
from pruning.methods.gates import GatedMethod
from pruning.methods.group2d.scores import block_norms
from pruning.objectives import CrossEntropy
from pruning.testing import images
from pruning.training.finite import all_finite, propagate_nonfinite
from pruning.training.task import accuracy_metrics
from support.devices import GPU, WaitError, move, nobody_waits, on_gpu
from support.rows import METHODS, SHAPES, network


def step(method: PruningMethod, attached: nn.Module, seed: int) -> None:
    attached.zero_grad()
    attached(images(SHAPES["residual"], seed=seed).float()).square().mean().backward()
    method.steer(attached)
    method.settle(attached)


WITHOUT_AUTOGRAD = [  # of their own: a penalty's gradient needs a driver
    row for row in METHODS if type(METHODS[row].build(0.5)).penalty is PruningMethod.penalty
]


@pytest.mark.parametrize("row", WITHOUT_AUTOGRAD)
def test_a_step_in_the_middle_of_a_stage_waits_for_nothing(row: str) -> None:
    """After the ladder's first level, with the lasso at work."""
    method, attached = METHODS[row].build(0.5), network("residual").train()
    method.attach(attached, SHAPES["residual"], 150 if isinstance(method, GatedMethod) else 10)
    for seed in range(4):
        step(method, attached, seed)
    move(attached)
    with nobody_waits():
        with torch.no_grad():  # no autograd without a driver; hooks run all the same
            attached(torch.empty(4, *SHAPES["residual"], device=GPU))
        method.steer(attached)
        method.settle(attached)
    assert {value.device for value in attached.parameters()} == {GPU}


@pytest.mark.parametrize("classes", [10, 100])
def test_the_loss_the_check_of_gradients_and_the_counts_of_a_step_wait_for_nothing(classes: int) -> None:
    metrics = accuracy_metrics(classes)
    for metric in metrics.values():
        for name in metric._defaults:
            setattr(metric, name, on_gpu(getattr(metric, name)))
    with nobody_waits():
        logits, labels = torch.empty(8, classes, device=GPU), torch.empty(8, dtype=torch.long, device=GPU)
        loss = propagate_nonfinite(CrossEntropy()(logits, labels, torch.empty(8, 3, 8, 8, device=GPU)))
        assert all_finite([logits, loss]).device == GPU
        metrics.update(logits, labels)


@pytest.mark.parametrize("waiting", [lambda x: x.sum().item(), lambda x: x.cpu(), lambda x: bool((x > 0).all())])
def test_who_waits_is_caught(waiting: object) -> None:
    value = on_gpu(torch.ones(3))
    with nobody_waits(), pytest.raises((WaitError, RuntimeError)):
        waiting(value)  # type: ignore[operator]


def test_block_norms_by_hand() -> None:
    """Groups that lie scattered: rows 0 and 2, 1 and 3."""
    weight = torch.tensor([[3.0, 1.0], [5.0, 0.0], [4.0, 2.0], [12.0, 0.0]])[:, :, None, None]
    norms = block_norms(weight, torch.tensor([0, 1, 0, 1]), 2)
    torch.testing.assert_close(norms, torch.tensor([[5.0, 5.0**0.5], [13.0, 0.0]]))
