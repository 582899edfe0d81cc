"""Train, prune, fine-tune: each one Trainer.fit over a copy of what it is given, its result kept in the store."""

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from lightning import Trainer
from torch import nn

from experiments.config.digest import digest
from experiments.records.record import Stage
from experiments.run.bench import Bench
from experiments.run.store import Weights
from experiments.system import checkout
from experiments.system.preemption import postponed
from experiments.system.quiet import quiet
from experiments.system.terminal import say
from experiments.trainer import checkpoints, ranks
from experiments.trainer.checkpoints import DurableCheckpoints, Keep, exists, weights
from experiments.trainer.curves import MetricsFile
from experiments.trainer.progress import StageBar
from pruning.graph.cost import count_macs
from pruning.methods.base import PruningMethod
from pruning.modes import repeatable
from pruning.objectives import Objective
from pruning.training.task import ClassificationTask


@dataclass(frozen=True)
class Trained:
    """A network at the end of a stage, the digest of all that led to it, and what each stage on the way cost."""

    network: nn.Module
    digest: str
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """What one stage adds to the network it starts from."""

    stage: str
    recipe: str  # which of the recipes
    objective: Objective
    method: PruningMethod | None = None


def train(bench: Bench, start: Trained, lesson: Lesson) -> Trained:
    """`start` stays as it is."""
    recipe, network = bench.recipes[lesson.recipe], copy.deepcopy(start.network)
    trained = {"recipe": asdict(recipe), "compiled": bench.execution(lesson.recipe).compiled}
    key = digest(lesson.stage, bench.values, parent=start.digest, **trained, **bench.content())
    if not recipe.epochs:  # a one-shot method decides on the network as it is
        if lesson.method is not None:
            lesson.method.begin_stage(network, bench.image_shape, 0)
        return replace(start, network=network, digest=key)
    finished = bench.store.stage(lesson.stage, key, lambda folder: fit(bench, network, lesson, folder, key))
    ranks.meet()  # all have read what is cleared now
    if ranks.leads():
        checkpoints.clear(finished.folder)  # only now: a kill before the result is stored goes on from them
    if finished.stage.reused:
        adopt(bench, network, lesson, finished.weights)
    return Trained(network, key, (*start.stages, finished.stage))


def adopt(bench: Bench, network: nn.Module, lesson: Lesson, stored: Weights) -> None:
    """Gates first: a learned network is stored with them."""
    if lesson.method is not None:
        lesson.method.begin_stage(network, bench.image_shape, bench.steps(lesson.recipe))
    network.load_state_dict(stored)


def fit(bench: Bench, network: nn.Module, lesson: Lesson, folder: Path, key: str) -> tuple[Weights, Stage]:
    """Trains the network in place, going on from a checkpoint in the folder if a killed attempt left one."""
    recipe, macs = bench.recipes[lesson.recipe], train_macs(bench, network, lesson)
    task = ClassificationTask(
        network, lesson.objective, recipe, len(bench.data.classes), bench.image_shape, bench.settings.seed
    )
    keep = Keep(folder, bench.chooses(lesson.recipe), bench.settings.trainer.checkpoint_minutes)
    how = bench.execution(lesson.recipe)
    say(f"{lesson.stage}: {how}")
    network.to(memory_format=how.layout)
    if bench.precision == "64-true":
        network.double()  # Lightning does so after it has restored a checkpoint, which loses half of the digits
    with quiet(), postponed(), repeatable(bench.device.type != "cpu" and bench.settings.trainer.deterministic):
        trainer = build_trainer(bench, lesson, keep, folder)
        if how.compiled:
            task.compile_steps(bench.settings.recipe.batch // trainer.world_size)
        trainer.fit(task, datamodule=bench.data, ckpt_path=resume(keep.last), weights_only=True)
    bench.data.trainer = None  # measuring is the work of one process, and it needs all images
    keep.restore(task)
    network.cpu().to(memory_format=torch.contiguous_format)
    images = recipe.epochs * bench.data.sizes["train"]
    return weights(network), Stage(
        name=lesson.stage,
        epochs=recipe.epochs,
        chosen_epoch=keep.epoch + 1,
        val_accuracy=keep.accuracy if keep.accuracy >= 0 else None,
        seconds=keep.seconds,
        images_per_second=images / keep.seconds,
        train_macs=macs * images,
        digest=key,
        commit=checkout.commit(),
        reused=False,
        left_out=len(bench.data.left_out["train"]),
        compiled=how.compiled,
    )


def train_macs(bench: Bench, network: nn.Module, lesson: Lesson) -> int:
    """Per image: forward once, backward twice, the teacher's forward once."""
    teacher = lesson.objective.teacher
    taught = count_macs(teacher, bench.image_shape) if teacher is not None else 0
    return 3 * count_macs(network, bench.image_shape) + taught


def resume(checkpoint: Path) -> str | None:
    if not exists(checkpoint):
        return None
    say(f"going on from {checkpoint}")
    return str(checkpoint)


def build_trainer(bench: Bench, lesson: Lesson, keep: Keep, folder: Path) -> Trainer:
    asked = bench.settings.trainer
    bar = StageBar(lesson.stage, asked.progress)
    trainer = Trainer(
        **bench.machine,
        precision=bench.precision,  # type: ignore[arg-type]
        max_epochs=bench.recipes[lesson.recipe].epochs,
        logger=MetricsFile(folder / "metrics.jsonl", lesson.stage),
        callbacks=[bar, ranks.Together(), *([lesson.method] if lesson.method else []), keep, *bench.watchers],
        plugins=[DurableCheckpoints()],
        default_root_dir=folder,
        limit_val_batches=1.0 if bench.data.sizes["val"] else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        reload_dataloaders_every_n_epochs=1,  # order and augmentation are functions of the epoch
        enable_model_summary=False,
        use_distributed_sampler=False,  # the data splits itself over processes, by (seed, epoch, index)
    )
    # Requests to leave are ours: its handler broadcasts in the middle of whatever a process does, and hangs
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    # and every step of its loop waits for the device to hear of one
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    return trainer
