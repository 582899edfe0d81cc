"""One run in several processes (trainer.devices=2 trainer.strategy=ddp): the first decides, measures and writes, the
others make the same way beside it and train. What DDP leaves to each process is brought together here, or compared."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar, final

import torch
import torch.distributed as dist
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor

from datamodules.shares import Shard
from experiments.config import schema
from experiments.system.console import console
from experiments.system.library_warnings import suppress_warnings
from experiments.trainer.child_ranks import run_child_ranks, signal_ready
from pruning.lightning.processes import all_gather, refuse_differing
from pruning.selection import Selection

Value = TypeVar("Value")


def bare_trainer(settings: schema.Trainer) -> Trainer:
    """Only a Trainer has the strategy, the number of processes and who starts them as a stage will have them. 6 to 11
    ms; Fabric takes 5 to 9, and its refusals speak of Fabric(devices=...)."""
    with suppress_warnings():
        return Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=settings.strategy,
            num_nodes=settings.num_nodes,
            logger=False,
            enable_checkpointing=False,
        )


@contextmanager
def process_group(settings: schema.Trainer, processes: int) -> Iterator[None]:
    """Within, all processes that the settings ask for are there."""
    if processes == 1:
        yield
        return
    trainer = bare_trainer(settings)
    if not isinstance(trainer.strategy, ParallelStrategy):
        yield
        return
    with run_child_ranks(ranks_to_start(trainer)):
        signal_ready()
        with suppress_warnings():
            trainer.strategy.setup_environment()
        console.quiet = not is_rank_zero()
        yield
        end_group()


def ranks_to_start(trainer: Trainer) -> Iterable[int]:
    """The ranks that this process has to start: all but its own, unless srun or torchrun has started them."""
    environment = trainer.strategy.cluster_environment  # type: ignore[attr-defined]
    if environment.creates_processes_externally:
        return ()
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
    os.environ["LOCAL_RANK"] = "0"  # Lightning sees by it that the others are there
    return range(1, trainer.num_devices)


def is_rank_zero() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


def shard(divide: bool) -> Shard:
    """This process's part of what all look at; all of it, unless it is to be divided."""
    if not (divide and dist.is_initialized()):
        return Shard()
    return Shard(rank=dist.get_rank(), world=dist.get_world_size())


def barrier() -> None:
    """Wait for each other."""
    if dist.is_initialized():
        dist.barrier()


def end_group() -> bool:
    """After the last exchange, in all processes at once: ends the group, and says whether this process goes on alone.

    Not at exit: there NCCL waits for all processes of the group, and the first for those that it has started.
    """
    is_first = is_rank_zero()
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
    return is_first


def broadcast(value: Value) -> Value:
    """The first process's value, in every process."""
    if not dist.is_initialized():
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def broadcast_wait() -> None:
    """In the first process, now and then while it waits for another run's lock: an exchange does not last for ever."""
    broadcast(None)


def receive_decision() -> bool:
    """In the others: what the first has decided, however long it had to wait."""
    while (decision := broadcast(None)) is None:
        pass
    return bool(decision)


def check_same_selection(choice: Selection) -> Selection:
    """Checked to be the same everywhere before anyone uses it."""
    refuse_differing(dict(choice.items()), "the selection")
    return choice


@final
class SyncBuffers(Callback):
    """After every step the statistics of norms and methods are means over all processes, so that a checkpoint,
    validation and a selection see all images; after every epoch all processes have the same network."""

    def on_train_batch_end(self, trainer: Trainer, task: LightningModule, *_: object) -> None:
        if dist.is_initialized():
            average_buffers(task.get_submodule("network").buffers())

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        """And the same list of images that could not be read: each has met those of its share."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        for left_out in all_gather(data.left_out):
            data.leave_out(left_out)
        refuse_differing(task.get_submodule("network").state_dict(), "the state")


@torch.no_grad()
def average_buffers(buffers: Iterable[Tensor]) -> None:
    """In place, over all processes, in double: what is equal stays equal to the bit.

    By way of one flat copy: a kernel for each of some hundred buffers would take a GPU longer than their sum.
    """
    floating = [buffer for buffer in buffers if buffer.is_floating_point()]
    if not floating:
        return
    flat = torch.cat([buffer.flatten() for buffer in floating]).double()
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    means = flat.split([buffer.numel() for buffer in floating])
    torch._foreach_copy_(floating, [mean.view_as(buffer) for mean, buffer in zip(means, floating, strict=True)])
