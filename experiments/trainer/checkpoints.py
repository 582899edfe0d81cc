"""Checkpoints inside a stage: durable, verified, and the previous one kept until the next is safe."""

import hashlib
import io
import time
from enum import IntEnum
from pathlib import Path
from typing import Any, final

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

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        path, content = Path(path), buffer.getvalue()
        if path.exists():
            durable.move(path, previous(path))
        durable.write(path, hashlib.sha256(content).hexdigest().encode() + content)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """To the CPU, wherever it was written; Lightning moves what belongs on a device to this process's own."""
        return torch.load(io.BytesIO(newest(Path(path))), map_location=map_location or "cpu", weights_only=True)

    def remove_checkpoint(self, path: str | Path) -> None:
        for each in (Path(path), previous(Path(path))):
            each.unlink(missing_ok=True)


def previous(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def exists(path: Path) -> bool:
    return path.exists() or previous(path).exists()


def newest(path: Path) -> bytes:
    """The content of the newest undamaged checkpoint; says so by name when that is not the last one written."""
    candidates = [each for each in (path, previous(path)) if each.exists()]
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


class Wish(IntEnum):
    """What is to be done at the end of a step; the larger one wins."""

    NONE = 0
    SAVE = 1
    LEAVE = 2  # after a checkpoint


@final
class StageCheckpoint(Checkpoint):
    """After each epoch, and within one after so many minutes (0: never): a checkpoint to go on from; and the best
    weights so far where validation chooses them."""

    def __init__(self, folder: Path, best: bool, minutes: float) -> None:
        self.last, self.weights = folder / LAST, folder / BEST
        self.choose_best, self.minutes = best, minutes
        self.accuracy, self.epoch = -1.0, 0
        self.seconds, self.since = 0.0, 0.0  # of all attempts; when the last checkpoint was written, or training began
        self.place: dict[str, Any] = {}  # in the data
        self.leaving = False  # asked to, and the checkpoint is written
        self.exchanged: DeferredNumber | None = None  # the strongest wish of all processes after the step before

    def state_dict(self) -> dict[str, Any]:
        return {"accuracy": self.accuracy, "epoch": self.epoch, "seconds": self.seconds, "place": self.place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.accuracy, self.epoch, self.seconds = state["accuracy"], state["epoch"], state["seconds"]
        self.place = state["place"]

    def on_train_start(self, trainer: Trainer, task: LightningModule) -> None:
        """What a killed process wrote after its last checkpoint is written again; here the steps are restored."""
        if isinstance(trainer.logger, MetricsFile) and trainer.is_global_zero:
            trainer.logger.rewind(trainer.global_step)
        datamodule(trainer).load_state_dict(
            self.place
        )  # Lightning restores it before it makes the first epoch's loader
        self.since = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, task: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A checkpoint of this step. The last step of an epoch waits for the epoch's own."""
        wish, last = self.agreed_wish(trainer), trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        if wish > Wish.NONE and not last:
            self.save(trainer)
            self.leaving = wish == Wish.LEAVE
        if trainer.world_size > 1 and not (last or self.leaving):
            self.exchanged = exchange(trainer, self.wish())

    def agreed_wish(self, trainer: Trainer) -> Wish:
        """Among several processes that of the step before, which has come by now: no step waits for an exchange."""
        if trainer.world_size == 1:
            return self.wish()
        exchanged, self.exchanged = self.exchanged, None
        return Wish.NONE if exchanged is None else accept(exchanged)

    def wish(self) -> Wish:
        """This process's own."""
        if preemption.request.signal_name is not None:
            return Wish.LEAVE
        return Wish.SAVE if self.is_due() else Wish.NONE

    def is_due(self) -> bool:
        return self.minutes > 0 and time.monotonic() - self.since >= 60 * self.minutes

    def on_train_batch_start(self, trainer: Trainer, task: LightningModule, batch: Any, batch_idx: int) -> None:
        """Here the figures of the saved step are written too."""
        if self.leaving:
            preemption.request.raise_if_requested()

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        accuracy = float(trainer.callback_metrics.get("val_accuracy", -1.0))
        if not self.choose_best:
            self.epoch = trainer.current_epoch
        elif accuracy > self.accuracy:  # the first of equals
            self.accuracy, self.epoch = accuracy, trainer.current_epoch
            if trainer.is_global_zero:
                durable.write(self.weights, save(weights(network_of(task))))
        self.leaving = accept(exchange(trainer, self.wish())) == Wish.LEAVE
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        now = time.monotonic()
        self.seconds, self.since = self.seconds + now - self.since, now
        self.place = datamodule(trainer).state_dict()
        trainer.save_checkpoint(self.last)

    def restore(self, task: LightningModule) -> None:
        """Puts the chosen epoch's weights into the trained network."""
        if self.choose_best:
            network_of(task).load_state_dict(load(self.weights.read_bytes()))


def clear(folder: Path) -> None:
    DurableCheckpoints().remove_checkpoint(folder / LAST)
    (folder / BEST).unlink(missing_ok=True)


def datamodule(trainer: Trainer) -> LightningDataModule:
    return trainer.datamodule  # type: ignore[attr-defined]


def exchange(trainer: Trainer, wish: Wish) -> DeferredNumber:
    """The strongest wish of any process, in all of them, since all take part in a checkpoint."""
    strongest = torch.full((), int(wish), device=trainer.strategy.root_device)  # torch.tensor waits for the device
    work = dist.all_reduce(strongest, dist.ReduceOp.MAX, async_op=True) if trainer.world_size > 1 else None
    return DeferredNumber(strongest, work)


def accept(exchanged: DeferredNumber) -> Wish:
    """A request to another process is one to this process too."""
    wish = Wish(int(exchanged.read()))
    if wish == Wish.LEAVE and preemption.request.signal_name is None:
        preemption.request.signal_name = preemption.OTHER_PROCESS
    return wish


def network_of(task: LightningModule) -> nn.Module:
    return task.get_submodule("network")


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Safetensors takes no views and no shared storage."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
