"""Prune a network in the middle of any Trainer.fit, and let the same fit go on with what is left of it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

import torch.nn.functional as F
from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

from pruning.batches import Batches
from pruning.graph.inputs import Batch
from pruning.lightning import refusals
from pruning.lightning.optimisers import swap_parameters
from pruning.lightning.param_groups import holders, restore_order
from pruning.lightning.processes import refuse_differing
from pruning.lightning.saved import from_state, to_state
from pruning.lightning.steps import MethodSteps, count_steps
from pruning.methods.build import Method, build_method
from pruning.pruned import Pruned
from pruning.pruner import Pruner
from pruning.repair.names import NONE, repair_names
from pruning.surgery.compact import compact


@final
class PruningCallback(MethodSteps):
    """Prunes one network of any LightningModule; optimisers and schedulers carry on with what is left of it.

        pruning = PruningCallback("fcf", macs=0.5, network="model", epochs=5)
        Trainer(max_epochs=20, callbacks=[pruning]).fit(module, data)
        print(pruning.pruned)

    The module must call the network itself (`self.model(images)`), for the small one has no other methods. MACs,
    parameters and the certificate go to the module's loggers; a checkpoint of any moment is resumed bit for bit.

    Args:
        method: a name, a PruningMethod (class or instance) or a Selection, with its arguments as in `pruning.prune`.
        network: dotted name of the module's attribute that is the network.
        epochs: how long a method learns that learns while it trains; at their end the network is cut.
        at_epoch: when the others cut; 0: before the optimiser is made.
        example: a batch of images as the network is given, of which the shape counts; None: the module's
            `example_input_array`.
        data, loss: as in `pruning.prune`, for methods that score by batches; they are shown just before the cut.
        repair: as in `pruning.prune`; what is mended goes on training.

    Attributes:
        pruned: what came out, once it is cut; its network is the one that the module holds.

    Raises:
        ValueError: the arguments; and in `fit`, before its first step, whatever cannot be pruned.
    """

    def __init__(
        self,
        method: Method = "l1",
        *,
        network: str = "network",
        epochs: int | None = None,
        at_epoch: int = 0,
        example: Batch | None = None,
        data: Batches | None = None,
        loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
        repair: str | Sequence[str] = NONE,
        **arguments: Any,
    ) -> None:
        super().__init__(build_method(method, **arguments), (0, 0, 0), network)
        refusals.refuse_moment(self.method, epochs, at_epoch)
        refusals.refuse_missing_data(self.method, data)
        self.data, self.loss, self.repairs = data, loss, repair_names(repair)
        refusals.refuse_missing_images(self.repairs, data)
        self.epochs = at_epoch if epochs is None else epochs  # before the cut
        self.example = example
        self.pruned: Pruned | None = None
        self.pruner: Pruner | None = None  # while the method is on the network
        self.start: dict[str, Tensor] = {}  # the weights when it came on, from which all that it then decides follows
        self.plain: list[nn.Parameter] = []  # in the order that they have without gates
        self.full: nn.Module | None = None  # what was cut in setup, in case that a checkpoint is of another cut
        self.unseen = 0  # batches since the last step that was seen

    @property
    def state_key(self) -> str:
        return f"PruningCallback({self.name})"

    def is_done(self, pl_module: LightningModule) -> bool:
        return self.pruned is not None and self.network(pl_module) is self.pruned.network

    # -- before the first step -----------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        network = refusals.find_network(pl_module, self.name)
        self.wrap_load(pl_module)
        if stage != "fit" or self.is_done(pl_module) or (self.pruner is not None and network is self.pruner.network):
            return
        refusals.refuse_strategy(trainer)
        self.pruned, self.pruner, self.gates = None, None, []
        self.image_shape = refusals.find_image_shape(pl_module, self.example, self.name)
        if trainer.world_size > 1:  # DDP makes them alike only later, and all must decide alike
            network.load_state_dict(trainer.strategy.broadcast(network.state_dict()))
        steps = count_steps(trainer, self.epochs) if self.method.needs_training else 0
        refusals.refuse_short(trainer, self.epochs, steps)
        if self.method.needs_training:
            self.method.refuse_scaled(str(trainer.precision))
            self.attach(network, steps)
        elif self.epochs == 0:
            self.cut(trainer, pl_module)
            self.full = network

    def begin(self, network: nn.Module, steps: int) -> None:
        """By way of a Pruner, which keeps what it takes to finish."""
        self.start = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        self.plain = list(network.parameters())
        self.steps, self.pruner = steps, Pruner(network, self.method, self.image_shape, steps)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_fit_start(trainer, pl_module)
        self.unseen, self.full = 0, None
        if self.pruner is not None:
            restore_order(trainer.optimizers, list(self.pruner.network.parameters()), self.plain)
        if not self.is_done(pl_module):
            found = holders(trainer.optimizers, self.network(pl_module))
            refusals.refuse_optimizers(pl_module, self.name, self.method.needs_training, found)
        if self.pruner is None:
            self.optimizer = None  # there is nothing to do in a step

    # -- while it learns -----------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Resumed after an epoch's last step, Lightning calls neither that epoch's end nor the next one's start."""
        self.cut_if_due(trainer, pl_module, trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.cut_if_due(trainer, pl_module, trainer.current_epoch)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.unseen = 0 if self.has_stepped else self.unseen + 1
        super().on_train_batch_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.pruner is not None:
            refusals.refuse_unseen(trainer, self.method, self.unseen)
            super().on_train_epoch_end(trainer, pl_module)
        self.cut_if_due(trainer, pl_module, trainer.current_epoch + 1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self.is_done(pl_module):
            warnings.warn(
                f"training ended in epoch {trainer.current_epoch}, before {self.name!r} is cut, after {self.epochs}: "
                "it is whole still",
                stacklevel=2,
            )

    # -- the cut -------------------------------------------------------------------------------------------------------

    def cut_if_due(self, trainer: Trainer, pl_module: LightningModule, epoch: int) -> None:
        if not self.is_done(pl_module) and epoch >= self.epochs:
            self.cut(trainer, pl_module)

    def cut(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.pruner is None:
            self.attach(self.network(pl_module), 0)
        assert self.pruner is not None
        if self.method.observes and self.data is not None:
            self.pruner.observe(self.data, self.loss)
        network, pruned = self.pruner.network, self.pruner.finish(repair=self.repairs, data=self.data)
        swap_parameters(
            trainer.optimizers, network, pruned.network, lambda m: compact(m, pruned.selection, self.image_shape)
        )
        self.install(pl_module, pruned)
        wrap_anew(trainer, pruned.network)
        log_costs(trainer, pruned)

    def install(self, pl_module: LightningModule, pruned: Pruned) -> None:
        replace_module(pl_module, self.network(pl_module), pruned.network)
        self.pruned, self.pruner, self.optimizer, self.gates, self.start, self.plain = pruned, None, None, [], {}, []

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        if self.pruned is not None:
            return to_state(self.pruned)
        return {"start": self.start} if self.pruner is not None else {}

    def wrap_load(self, pl_module: LightningModule) -> None:
        """A callback's own hook comes after the weights are loaded, and they need the structure that they are of."""
        own = pl_module.on_load_checkpoint

        def on_load_checkpoint(checkpoint: dict[str, Any]) -> None:
            self.rebuild(pl_module, checkpoint.get("callbacks", {}).get(self.state_key, {}))
            own(checkpoint)

        pl_module.on_load_checkpoint = on_load_checkpoint  # type: ignore[method-assign]
        self.unwrap_load = lambda: setattr(pl_module, "on_load_checkpoint", own)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.unwrap_load()

    def rebuild(self, pl_module: LightningModule, state: dict[str, Any]) -> None:
        """The structure that the network of a checkpoint had."""
        if self.full is not None:
            replace_module(pl_module, self.network(pl_module), self.full)
        network = self.network(pl_module)
        if self.pruned is not None and network is self.pruned.network:
            refusals.refuse_other_selection(self.pruned, state, self.name)
        elif "selection" in state:
            if self.pruner is not None:
                self.method.detach(network)
            self.install(pl_module, from_state(state, network))
        elif "start" in state and self.pruner is not None:
            self.method.detach(network)
            network.load_state_dict(state["start"])
            self.attach(network, self.steps)


def replace_module(parent: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Wherever it is held."""
    for path, module in list(parent.named_modules(remove_duplicate=False)):
        if module is old:
            parent.set_submodule(path, new)


def wrap_anew(trainer: Trainer, small: nn.Module) -> None:
    """DDP shares the gradients of those parameters that it met when it was made."""
    strategy = trainer.strategy
    if isinstance(strategy, DDPStrategy) and strategy.model is not strategy.lightning_module:
        refuse_differing(dict(small.named_parameters()), "the weight")
        strategy.model = strategy.lightning_module
        gc.collect()  # the old one's hooks go with it
        strategy.configure_ddp()


def log_costs(trainer: Trainer, pruned: Pruned) -> None:
    report = pruned.report
    if report is None or not trainer.is_global_zero:
        return
    figures = {"certificate": report.certificate}
    for when, cost in (("dense", report.before), ("pruned", report.after)):
        figures |= {f"{when}/macs": cost.macs, f"{when}/params": cost.params}
    for logger in trainer.loggers:
        logger.log_metrics(figures, trainer.global_step)
