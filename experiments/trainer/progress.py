"""A bar that names its stage in a terminal; one line per epoch elsewhere."""

import time
from collections.abc import Mapping
from typing import final

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from experiments.system.console import console, log

REFRESH = 0.2  # seconds: reading the loss waits for the device


@final
class StageBar(ProgressBar):
    def __init__(self, stage: str, enabled: bool) -> None:
        super().__init__()
        self.stage, self.enabled = stage, enabled
        self.bar: Progress | None = None
        self.drawn_at = self.started_at = 0.0
        self.words = ""

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        self.started_at = time.monotonic()
        if self.enabled and console.is_terminal:
            self.bar = open_bar()
            total = int(trainer.estimated_stepping_batches)
            self.bar.add_task(self.stage, total=total, completed=trainer.global_step, words="")
            self.bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, task: LightningModule, outputs: STEP_OUTPUT, batch: object, batch_idx: int
    ) -> None:
        if self.bar is None or time.monotonic() - self.drawn_at < REFRESH:
            return
        assert isinstance(outputs, Mapping)  # of ClassificationTask
        self.drawn_at = time.monotonic()
        words = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  loss {outputs['loss'].item():.3f}{self.words}"
        self.bar.update(self.bar.task_ids[0], completed=trainer.global_step, words=words)

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        self.words = format_accuracy(trainer.callback_metrics)
        if self.enabled and self.bar is None:
            log(self.line(trainer))

    def on_train_end(self, trainer: Trainer, task: LightningModule) -> None:
        if self.bar is not None:  # it vanishes, and one line of the stage stays
            log(self.line(trainer))

    def line(self, trainer: Trainer) -> str:
        epoch = f"epoch {min(trainer.current_epoch + 1, int(trainer.max_epochs or 0))}/{trainer.max_epochs}"
        loss, seconds = float(trainer.callback_metrics["loss"]), time.monotonic() - self.started_at
        return f"{self.stage:<9} {epoch}  loss {loss:.3f}{self.words}  {seconds:.0f} s"

    def teardown(self, trainer: Trainer, task: LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.stop()

    on_exception = teardown  # type: ignore[assignment]


def open_bar() -> Progress:
    columns = (TextColumn("[bold]{task.description:<9}"), BarColumn(20), TextColumn("{task.percentage:>3.0f} %"))
    times = (
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[words]}"),
    )
    return Progress(*columns, *times, console=console, transient=True, refresh_per_second=4)


def format_accuracy(metrics: dict[str, Tensor]) -> str:
    return f"  val {100 * float(metrics['val_accuracy']):.2f} %" if "val_accuracy" in metrics else ""
