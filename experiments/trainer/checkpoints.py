"""Checkpoints inside a stage: durable, verified, and the previous one kept until the next is safe."""

import hashlib
import io
import time
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import final

import torch
import torch.distributed as dist
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from safetensors.torch import load, save
from torch import nn

from experiments.system import preemption
from experiments.system.console import log
from experiments.trainer.metrics_file import MetricsFile
from pruning.files import durable
from pruning.training.deferred import DeferredNumber

LAST, BEST = "last.ckpt", "best.safetensors"
DIGEST = 64  # hexadecimal characters of SHA-256 before the content: one file, so digest and content cannot part


class DurableCheckpoints(CheckpointIO):
    """Lightning's own goes through TMPDIR: a kill in the middle of that copy loses the new file and the old."""

    def save_checkpoint(
        self, checkpoint: Mapping[str, object], path: str | Path, storage_options: object = None
    ) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        path, content = Path(path), buffer.getvalue()
        if path.exists():
            durable.move(path, previous_path(path))
        durable.write(path, hashlib.sha256(content).hexdigest().encode() + content)

    def load_checkpoint(
        self, path: str | Path, map_location: torch.device | str | None = "cpu", weights_only: bool | None = True
    ) -> dict[str, object]:
        """To the CPU, wherever it was written; Lightning moves what belongs on a device to this process's own."""
        return torch.load(io.BytesIO(read_newest(Path(path))), map_location=map_location or "cpu", weights_only=True)

    def remove_checkpoint(self, path: str | Path) -> None:
        for candidate in (Path(path), previous_path(Path(path))):
            candidate.unlink(missing_ok=True)


def previous_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def exists(path: Path) -> bool:
    return path.exists() or previous_path(path).exists()


def read_newest(path: Path) -> bytes:
    """The content of the newest undamaged checkpoint; says so by name when that is not the last one written."""
    candidates = [candidate for candidate in (path, previous_path(path)) if candidate.exists()]
    for candidate in candidates:
        content = read_verified(candidate)
        if content is not None:
            return content
        log(f"checkpoint {candidate} is damaged: falling back to the one before it", "yellow")
    raise ValueError(f"no checkpoint of {path.parent} is intact: delete that folder to start the stage again")


def read_verified(path: Path) -> bytes | None:
    durable.refuse_folder(path)
    stored = path.read_bytes()
    digest, content = stored[:DIGEST], stored[DIGEST:]
    return content if hashlib.sha256(content).hexdigest().encode() == digest else None


class StepAction(IntEnum):
    """What is to be done at the end of a step; the larger one wins."""

    NONE = 0
    SAVE = 1
    LEAVE = 2  # after a checkpoint


@final
class StageCheckpoint(Checkpoint):
    """After each epoch, and within one after so many minutes (0: never): a checkpoint to go on from; and the best
    weights so far where validation chooses them."""

    def __init__(self, folder: Path, best: bool, minutes: float) -> None:
        self.last_checkpoint, self.best_weights = folder / LAST, folder / BEST
        self.chooses_best, self.minutes = best, minutes
        self.accuracy, self.epoch = -1.0, 0
        self.seconds, self.saved_at = (
            0.0,
            0.0,
        )  # of all attempts; when the last checkpoint was written, or training began
        self.data_state: dict[str, object] = {}  # how far the epoch had come
        self.leaving = False  # asked to, and the checkpoint is written
        self.pending: DeferredNumber | None = None  # the strongest action of all processes after the step before

    def state_dict(self) -> dict[str, object]:
        return {"accuracy": self.accuracy, "epoch": self.epoch, "seconds": self.seconds, "place": self.data_state}

    def load_state_dict(self, state: dict) -> None:
        self.accuracy, self.epoch, self.seconds = state["accuracy"], state["epoch"], state["seconds"]
        self.data_state = state["place"]

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """What a killed process wrote after its last checkpoint is written again; here the steps are restored."""
        if isinstance(trainer.logger, MetricsFile) and trainer.is_global_zero:
            trainer.logger.rewind(trainer.global_step)
        # Lightning restores it before it makes the first epoch's loader
        datamodule(trainer).load_state_dict(self.data_state)
        self.saved_at = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, task: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """A checkpoint of this step. The last step of an epoch waits for the epoch's own."""
        action = self.agreed_action(trainer)
        if action > StepAction.NONE and not trainer.is_last_batch:
            self.save(trainer)
            self.leaving = action == StepAction.LEAVE
        if trainer.world_size > 1 and not (trainer.is_last_batch or self.leaving):
            self.pending = all_reduce_action(trainer, self.action())

    def agreed_action(self, trainer: Trainer) -> StepAction:
        """Among several processes that of the step before, which has come by now: no step waits for an exchange."""
        if trainer.world_size == 1:
            return self.action()
        pending, self.pending = self.pending, None
        return StepAction.NONE if pending is None else read_action(pending)

    def action(self) -> StepAction:
        """This process's own."""
        if preemption.request.signal_name is not None:
            return StepAction.LEAVE
        return StepAction.SAVE if self.is_due() else StepAction.NONE

    def is_due(self) -> bool:
        return self.minutes > 0 and time.monotonic() - self.saved_at >= 60 * self.minutes

    def on_train_batch_start(self, trainer: Trainer, task: LightningModule, batch: object, batch_idx: int) -> None:
        """Here the figures of the saved step are written too."""
        if self.leaving:
            preemption.request.raise_if_requested()

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        accuracy = float(trainer.callback_metrics.get("val_accuracy", -1.0))
        if not self.chooses_best:
            self.epoch = trainer.current_epoch
        elif accuracy > self.accuracy:  # the first of equals
            self.accuracy, self.epoch = accuracy, trainer.current_epoch
            if trainer.is_global_zero:
                durable.write(self.best_weights, save(weights(network_of(task))))
        self.leaving = read_action(all_reduce_action(trainer, self.action())) == StepAction.LEAVE
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        now = time.monotonic()
        self.seconds, self.saved_at = self.seconds + now - self.saved_at, now
        self.data_state = datamodule(trainer).state_dict()
        trainer.save_checkpoint(self.last_checkpoint)

    def restore(self, task: LightningModule) -> None:
        """Puts the chosen epoch's weights into the trained network."""
        if self.chooses_best:
            network_of(task).load_state_dict(load(self.best_weights.read_bytes()))


def remove_checkpoints(folder: Path) -> None:
    DurableCheckpoints().remove_checkpoint(folder / LAST)
    (folder / BEST).unlink(missing_ok=True)


def datamodule(trainer: Trainer) -> LightningDataModule:
    return trainer.datamodule  # type: ignore[attr-defined]


def all_reduce_action(trainer: Trainer, action: StepAction) -> DeferredNumber:
    """The strongest action of any process, in all of them, since all take part in a checkpoint."""
    strongest = torch.full((), int(action), device=trainer.strategy.root_device)  # torch.tensor waits for the device
    work = dist.all_reduce(strongest, dist.ReduceOp.MAX, async_op=True) if trainer.world_size > 1 else None
    return DeferredNumber(strongest, work)


def read_action(pending: DeferredNumber) -> StepAction:
    """A request to another process is one to this process too."""
    action = StepAction(int(pending.read()))
    if action == StepAction.LEAVE and preemption.request.signal_name is None:
        preemption.request.signal_name = preemption.OTHER_PROCESS
    return action


def network_of(task: LightningModule) -> nn.Module:
    return task.get_submodule("network")


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Safetensors takes no views and no shared storage."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
