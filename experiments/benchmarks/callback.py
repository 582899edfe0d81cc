"""What PruningCallback costs of a training step: the time within its hooks, as a share of the step that they are in.

Times are of the processor and of the training's own thread. What the method's gates add to the forward and backward
pass is not in it: that is the method's price in any loop, not the callback's.

python -m experiments.benchmarks.callback
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.optim import SGD
from torch.utils.data import DataLoader

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from pruning import PruningCallback
from pruning.models import resnet

STEPS, WARM, EPOCHS = 40, 5, 10  # FCF is told of more epochs than are trained here: it takes 150 steps or more
BATCH, SHAPE = 128, (3, 32, 32)
CLAIM = "PruningCallback costs under 2 % of a training step of ResNet-20, batch 128, on a CPU"
HOOKS = ("on_before_backward", "on_before_optimizer_step", "on_train_batch_end")  # of every step


class Classifier(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network, self.example_input_array = resnet(20, 10, SHAPE, "A"), torch.zeros(1, *SHAPE)
        self.began: list[float] = []  # of each batch

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        self.began.append(time.thread_time())

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        return F.cross_entropy(self.network(batch[0]), batch[1])

    def configure_optimizers(self) -> SGD:
        return SGD(self.parameters(), 0.01, momentum=0.9)


def measure() -> list[Row]:
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")
    waiting = PruningCallback("l1", layer=0.5, at_epoch=EPOCHS)  # before its cut
    return [measure_callback("l1", waiting), measure_callback("fcf", PruningCallback("fcf", layer=0.5, epochs=EPOCHS))]


def measure_callback(name: str, callback: PruningCallback) -> Row:
    spent = {hook: time_calls(callback, hook) for hook in HOOKS}
    updates, module = time_calls(callback.method, "steer"), Classifier()
    batches = [(torch.randn(BATCH, *SHAPE), torch.arange(BATCH) % 10)] * (STEPS + WARM + 1)
    trainer = Trainer(
        max_epochs=EPOCHS, max_steps=len(batches) * EPOCHS, accelerator="cpu", callbacks=[callback], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    module.on_train_epoch_end = lambda: setattr(trainer, "should_stop", True)  # type: ignore[method-assign]
    trainer.fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    steps = [after - before for before, after in zip(module.began, module.began[1:], strict=False)]
    return cost_row(name, steps[WARM:], [times[WARM:] for times in spent.values()], updates[WARM:])


def time_calls(owner: object, name: str) -> list[float]:
    """Seconds of each call of a method from now on."""
    times: list[float] = []
    call: Callable[..., object] = getattr(owner, name)  # type: ignore[explicit-any] # any hook's arguments

    def timed(*arguments: object) -> object:
        start = time.thread_time()
        result = call(*arguments)
        times.append(time.thread_time() - start)
        return result

    setattr(owner, name, timed)
    return times


def cost_row(name: str, steps: list[float], hooks: list[list[float]], updates: list[float]) -> Row:
    """Medians; the method's update is made within a hook, and is no cost of the callback."""
    step, update = statistics.median(steps), statistics.median(updates or [0.0])
    within = sum(statistics.median(times or [0.0]) for times in hooks)
    return {
        "method": name,
        "step, ms": 1000 * step,
        "hooks, ms": 1000 * within,
        "method's update, ms": 1000 * update,
        "callback's share": (within - update) / step,
        "share with the update": within / step,
    }


def aims(rows: list[Row]) -> list[Aim]:
    return [
        Aim(f"{row['method']}: hooks and update, share of a step", 0.02, number(row, "share with the update"), "most")
        for row in rows
    ]


if __name__ == "__main__":
    run_benchmark("callback", CLAIM, measure, aims)
