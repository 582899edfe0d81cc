"""One network trained for one objective by one recipe. No word about pruning."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from pruning.objectives import Objective
from pruning.training.finite import StepCheck, all_finite, locate_nonfinite, propagate_nonfinite
from pruning.training.optimiser import Rates, make_optimiser

Batch = tuple[Float[Tensor, "batch channels height width"], Int[Tensor, " batch"]]


@runtime_checkable
class Recipe(Rates, Protocol):
    @property
    def epochs(self) -> int: ...
    @property
    def schedule(self) -> str: ...
    @property
    def milestones(self) -> Sequence[float]: ...
    @property
    def factor(self) -> float: ...
    @property
    def warmup(self) -> float: ...


def learning_rate_factor(epoch: float, recipe: Recipe) -> float:
    """The share of recipe.lr at a point of the stage, counted in epochs and their fractions."""
    if epoch < recipe.warmup:
        return (epoch + 1e-3) / (recipe.warmup + 1e-3)  # a rate of exactly 0 would waste the first step
    if recipe.schedule in ("cosine", "linear"):
        done = (epoch - recipe.warmup) / max(recipe.epochs - recipe.warmup, 1e-9)
        return 1 - done if recipe.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    if recipe.schedule == "step":
        return recipe.factor ** sum(epoch >= mark for mark in milestones(recipe))
    return 1.0


def milestones(recipe: Recipe) -> list[float]:
    """In epochs: a milestone below 1 is a fraction of the stage. On the first step of the nearest epoch."""
    return [float(round(mark * recipe.epochs) if mark < 1 else mark) for mark in recipe.milestones]


def accuracy_metrics(classes: int) -> MetricCollection:
    ranks = {"accuracy": 1} if classes < 100 else {"accuracy": 1, "accuracy_top5": 5}
    metrics = {
        name: MulticlassAccuracy(classes, top_k=k, average="micro", validate_args=False) for name, k in ranks.items()
    }
    return MetricCollection(dict(metrics))


class ClassificationTask(LightningModule):
    """Logs `loss`, `learning_rate` and `train_accuracy` while training; after each epoch `val_loss`,
    `val_accuracy` (and `_top5`)."""

    compiled: Callable[[Tensor], Tensor] | None = None  # the network, for batches of `compiled_batch` images
    compiled_batch: int = 0

    defer_check: bool | None = None  # judge a step while the next one is made; None: where the device is no CPU
    step_check: StepCheck | None = None  # on the last step

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        recipe: Recipe,
        classes: int,
        image_shape: tuple[int, int, int],
        seed: int,
        optimizer: str = "sgd",
    ) -> None:
        super().__init__()
        self.optimizer_name = optimizer
        self.network, self.objective, self.recipe = network, objective, recipe
        self.image_shape, self.seed = image_shape, seed
        self.train_metrics = accuracy_metrics(classes).clone(prefix="train_")
        self.val_metrics = accuracy_metrics(classes).clone(prefix="val_")
        self.train_metrics.persistent(True)  # a checkpoint in the middle of an epoch knows what came before

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        return self.network(images)

    def compile_steps(self, batch: int) -> None:
        """Training steps over `batch` images run compiled code, with the draws that plain code makes.

        An epoch's last batch and validation run as they are: every size is compiled anew, and its code depends on
        which size came first, which a resumed stage could not repeat.
        """
        self.compiled = torch.compile(self.network.forward, dynamic=False, options={"fallback_random": True})
        self.compiled_batch = batch

    def training_logits(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        if self.compiled is None or len(images) != self.compiled_batch:
            return self(images)
        return self.compiled(images)

    def on_fit_start(self) -> None:
        """In train mode, whatever mode the network came in: Lightning leaves it, and norms in eval see no batch.

        What is frozen by `requires_grad`, or by a class that knows no training, stays frozen.
        """
        self.network.train()
        self.objective = self.objective.to(self.device)

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        torch.manual_seed(self.seed * 1_000_003 + self.global_step)  # dropout too is the same after a resume

    def training_step(self, batch: Batch, index: int) -> Float[Tensor, ""]:
        images, labels = batch
        logits = self.training_logits(images)
        loss = propagate_nonfinite(self.objective(logits, labels, images))
        self.images, self.loss = images, loss.detach()
        self.train_metrics.update(logits.detach(), labels)
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        self.log_dict({"loss": self.loss, "learning_rate": rate}, on_step=True, on_epoch=False)
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """After the exchange of gradients: all processes see the same and stop at the same step.

        A device that works by itself is not waited for: it leaves the weights alone where gradients are not sound, and
        is asked why one step later, or at the epoch's end before anything is kept.
        """
        finite = self.finite_gradients()
        check = StepCheck(finite, self.global_step + 1, self.current_epoch + 1, self.images)
        last, self.step_check = self.step_check, check
        if self.defer_check or (self.defer_check is None and finite.device.type != "cpu"):
            if self.scaler is None:  # it leaves the weights alone by itself
                optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined] # the step looks at it
            self.raise_if_not_finite(last)
        else:
            self.raise_if_not_finite(self.step_check)

    def finite_gradients(self) -> Bool[Tensor, ""]:
        """Of this step's gradients. In float16 infinite ones are normal while the loss is scaled: the step is left out,
        and the scale halved; they count once no scale is left, and a loss that is no number counts at once."""
        finite = all_finite([p.grad for p in self.network.parameters() if p.grad is not None])
        if self.scaler is None:
            return finite
        return self.loss.isfinite() & (finite | (self.scaler._get_scale_async() > 1))

    @property
    def scaler(self) -> Any:
        """What scales the loss: in 16-mixed only."""
        return getattr(self.trainer.precision_plugin, "scaler", None)

    def raise_if_not_finite(self, check: StepCheck | None) -> None:
        if check is not None and not check:
            raise FloatingPointError(
                f"numbers that are not finite at step {check.step}, in epoch {check.epoch}, "
                f"{locate_nonfinite(self.network, check.images)}: stopped before the weights change, "
                f"the last checkpoint is finite; try a lower learning rate than {self.recipe.lr:g}"
                f"{', or without torch.compile' if self.compiled else ''}"
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The step before is judged first: its statistics of norms are in what is saved."""
        self.raise_if_not_finite(self.step_check)

    def on_train_epoch_end(self) -> None:
        self.raise_if_not_finite(self.step_check)
        self.step_check = None
        self.log_dict(self.train_metrics.compute())
        self.train_metrics.reset()

    def validation_step(self, batch: Batch, index: int) -> None:
        images, labels = batch
        logits = self(images)
        self.val_metrics.update(logits, labels)
        self.log("val_loss", torch.nn.functional.cross_entropy(logits, labels), batch_size=len(labels), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimiser = self.make_optimiser(scaled=self.scaler is not None)
        steps = self.trainer.estimated_stepping_batches / max(self.recipe.epochs, 1)
        schedule = LambdaLR(optimiser, lambda step: learning_rate_factor(step / steps, self.recipe))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def make_optimiser(self, scaled: bool = False) -> Optimizer:
        """Of the network's parameters that are trained."""
        trained = (parameter for parameter in self.network.parameters() if parameter.requires_grad)
        return make_optimiser(self.optimizer_name, trained, self.recipe, scaled)
