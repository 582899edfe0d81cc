"""A bar that names its stage in a terminal; elsewhere a line per epoch, and within epochs that last."""

import time
from collections.abc import Mapping
from typing import final

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from experiments.system.activity import activity
from experiments.system.console import console, log
from experiments.system.format import clock, percent

REFRESH = 0.2  # seconds: reading the loss waits for the device
SILENCE = 300.0  # seconds that a log may go without a line


@final
class StageBar(ProgressBar):
    def __init__(self, stage: str, enabled: bool, place: str, epochs_after: int) -> None:
        """`epochs_after`: of the run's later stages."""
        super().__init__()
        self.stage, self.enabled, self.place, self.epochs_after = stage, enabled, place, epochs_after
        self.steps_before = 0  # of an earlier process
        self.bar: Progress | None = None
        self.drawn_at = self.started_at = 0.0  # drawn_at: the bar, or a line
        self.words = ""

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        activity.end()
        self.started_at = self.drawn_at = time.monotonic()
        self.steps_before = trainer.global_step
        if self.enabled and console.is_terminal:
            self.bar = open_bar()
            name, total = f"{self.stage:<9} {self.place}", int(trainer.estimated_stepping_batches)
            self.bar.add_task(name, total=total, completed=trainer.global_step, words="")
            self.bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, task: LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        patience = SILENCE if self.bar is None else REFRESH
        if not self.enabled or time.monotonic() - self.drawn_at < patience:
            return
        assert isinstance(outputs, Mapping)  # of ClassificationTask
        self.drawn_at = time.monotonic()
        left, loss = clock(self.seconds_left(trainer)), outputs["loss"].item()
        words = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  loss {loss:.3f}{self.words}"
        if self.bar is None:
            done = (batch_idx + 1) / trainer.num_training_batches
            log(f"{self.stage:<9} {percent(done, 0)} of {words}, {left} left")
        else:
            self.bar.update(self.bar.task_ids[0], completed=trainer.global_step, words=f"{left} left  {words}")

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        self.words = format_accuracy(trainer.callback_metrics)
        if self.enabled and self.bar is None:
            self.drawn_at = time.monotonic()
            log(self.line(trainer))

    def on_train_end(self, trainer: Trainer, task: LightningModule) -> None:
        if self.bar is not None:  # it vanishes, and one line of the stage stays
            log(self.line(trainer))

    def line(self, trainer: Trainer) -> str:
        epoch = f"epoch {min(trainer.current_epoch + 1, int(trainer.max_epochs or 0))}/{trainer.max_epochs}"
        loss, seconds = float(trainer.callback_metrics["loss"]), time.monotonic() - self.started_at
        left = self.seconds_left(trainer)
        more = f", {clock(left)} left" if left else ""
        return f"{self.stage:<9} {epoch}  loss {loss:.3f}{self.words}  {seconds:.0f} s{more}"

    def seconds_left(self, trainer: Trainer) -> float:
        """Of the whole run, as if each later epoch took as long as this stage's: at most, where the later ones train
        the small network."""
        total, epochs = int(trainer.estimated_stepping_batches), int(trainer.max_epochs or 1)
        steps_left = total - trainer.global_step + self.epochs_after * total / epochs
        steps_done = max(trainer.global_step - self.steps_before, 1)
        return (time.monotonic() - self.started_at) / steps_done * steps_left

    def teardown(self, trainer: Trainer, task: LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.stop()
        activity.begin(f"finishing stage {self.stage}")

    on_exception = teardown  # type: ignore[assignment]


def open_bar() -> Progress:
    """No wider than 80 columns."""
    columns = (TextColumn("[bold]{task.description}"), BarColumn(10), TimeElapsedColumn())
    return Progress(*columns, TextColumn("{task.fields[words]}"), console=console, transient=True, refresh_per_second=4)


def format_accuracy(metrics: dict[str, Tensor]) -> str:
    return f"  val {100 * float(metrics['val_accuracy']):.2f} %" if "val_accuracy" in metrics else ""
