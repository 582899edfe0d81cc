"""A method's verbs in a Trainer, each at its moment, on a network of any LightningModule.

Structure changes in `setup`, before the optimiser exists and a checkpoint is restored; gradients are whole and unscaled
in `on_before_optimizer_step`, where the method moves its own parameters; and not every batch is a step.
"""

from __future__ import annotations

import math
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from pruning.graph.inputs import Shapes
from pruning.lightning.param_groups import holders, remove_parameters
from pruning.methods.base import PruningMethod


class MethodSteps(Callback):
    """The verbs from attach to end_epoch while the Trainer fits; select and detach are for whoever asked for training.

    Args:
        method: what learns.
        image_shape: (channels, height, width).
        network: dotted name of the module's attribute that is the network.
    """

    def __init__(self, method: PruningMethod, image_shape: Shapes, network: str = "network") -> None:
        self.method, self.image_shape, self.name = method, image_shape, network
        self.gates: list[nn.Parameter] = []  # parameters that attach has added
        self.optimizer: Optimizer | None = None  # the one whose steps count: the first that holds the network
        self.has_stepped = False  # and the method has yet to settle

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self.method.refuse_scaled(str(trainer.precision))
            self.attach(self.network(pl_module), int(trainer.estimated_stepping_batches))

    def network(self, pl_module: LightningModule) -> nn.Module:
        return pl_module.get_submodule(self.name)

    def attach(self, network: nn.Module, steps: int) -> None:
        weights = set(network.parameters())
        self.begin(network, steps)
        self.gates = [parameter for parameter in network.parameters() if parameter not in weights]

    def begin(self, network: nn.Module, steps: int) -> None:
        self.method.begin_stage(network, self.image_shape, steps)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        remove_parameters(trainer.optimizers, self.gates)
        self.optimizer = next(iter(holders(trainer.optimizers, self.network(pl_module))), None)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """No optimiser's zero_grad reaches a gate: it is cleared where those of all weights beside it are."""
        gates = set(self.gates)
        if gates and all(p.grad is None for p in self.network(pl_module).parameters() if p not in gates):
            for gate in gates:
                gate.grad = None

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        if optimizer is self.optimizer:
            self.settle(pl_module)
            self.method.steer(self.network(pl_module))
            self.has_stepped = True

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.settle(pl_module)

    def settle(self, pl_module: LightningModule) -> None:
        """After a step: at the batch's end, or before the next one where a batch makes several."""
        if self.has_stepped:
            self.has_stepped = False
            self.method.settle(self.network(pl_module))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.method.end_epoch(self.network(pl_module), trainer.current_epoch)
        for name, figure in self.method.report(self.network(pl_module)).items():
            pl_module.log(name, figure)


def count_steps(trainer: Trainer, epochs: int) -> int:
    """Of an optimiser, in so many epochs; makes the loaders, as `Trainer.estimated_stepping_batches` does."""
    trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if batches == math.inf:
        raise ValueError(
            "the training data has no length, and a method that learns must know its steps: give the Trainer "
            "limit_train_batches="
        )
    return math.ceil(batches / trainer.accumulate_grad_batches) * epochs
