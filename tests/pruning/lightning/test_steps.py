"""A gate learns by its method's rule and no other, whatever the user's optimiser does."""

import warnings
from collections.abc import Callable

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.data import DataLoader

from pruning.lightning.steps import MethodSteps
from pruning.models import initialise
from pruning.testing import images
from pruning.testing.samples import Chain
from support.rows import fcf

SHAPE = (3, 8, 8)


class Frozen(LightningModule):
    """Its weights never move, for their learning rate is zero; so gates that part were moved by something else."""

    def __init__(self, build: Callable[[object], Optimizer]) -> None:
        super().__init__()
        self.net, self.build = initialise(Chain(), 0), build

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Optimizer:
        return self.build(self.parameters())


def fit(build: Callable[[object], Optimizer], **asked: object) -> tuple[Frozen, list[nn.Parameter]]:
    module, gates = fit_module(Frozen(build), **asked)
    optimizer = module.trainer.optimizers[0]
    held = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    assert held == set(module.parameters()) - set(gates)
    assert held >= set(optimizer.state)
    return module, gates


def fit_module(module: Frozen, **asked: object) -> tuple[Frozen, list[nn.Parameter]]:
    steps = MethodSteps(fcf(0.5), SHAPE, "net")
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[steps], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, **asked,
    )  # fmt: skip
    batch = images(SHAPE, 4).float(), torch.arange(4)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(many workers|val_dataloader|LeafSpec).*")
        trainer.fit(module, DataLoader([batch] * 150, batch_size=None, collate_fn=tuple))
    return module, steps.gates


@pytest.mark.parametrize(
    ("build", "asked"),
    [
        (lambda parameters: AdamW(parameters, 0.0, weight_decay=0.5), {}),
        (lambda parameters: SGD(parameters, 0.0, momentum=0.9, maximize=True), {"gradient_clip_val": 1e-6}),
    ],
    ids=["adamw", "clipped"],
)
def test_gates_move_as_beside_plain_sgd(build: Callable[[object], Optimizer], asked: dict[str, object]) -> None:
    _, wanted = fit(lambda parameters: SGD(parameters, 0.0))
    _, gates = fit(build, **asked)
    assert gates
    assert all(torch.equal(gate, other) for gate, other in zip(gates, wanted, strict=True))
    assert not any(torch.equal(gate, torch.ones_like(gate)) for gate in gates)


class TwoLosses(Frozen):
    """A regression of the network's outputs comes between its owner's steps, by an optimiser of other weights."""

    def __init__(self, others: bool) -> None:
        super().__init__(lambda parameters: SGD(parameters, 0.0))
        self.scale, self.others, self.automatic_optimization = nn.Linear(1, 1), others, False

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        owner, other = self.optimizers()
        for optimizer in [owner, other][: 1 + self.others]:
            loss = super().training_step(batch, index) if optimizer is owner else self.net(batch[0]).square().sum()
            optimizer.zero_grad()
            self.manual_backward(loss + self.scale.weight.sum())
            optimizer.step()

    def configure_optimizers(self) -> list[Optimizer]:
        return [SGD(self.net.parameters(), 0.0), SGD(self.scale.parameters(), 0.1)]


def test_another_optimisers_loss_moves_no_gate() -> None:
    _, wanted = fit_module(TwoLosses(others=False))
    _, gates = fit_module(TwoLosses(others=True))
    assert gates
    assert all(torch.equal(gate, other) for gate, other in zip(gates, wanted, strict=True))
    assert not any(torch.equal(gate, torch.ones_like(gate)) for gate in gates)
