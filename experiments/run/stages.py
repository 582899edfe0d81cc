"""Train, prune, fine-tune: each one Trainer.fit over a copy of what it is given, its result kept in the store."""

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from lightning import Trainer
from torch import nn

from experiments.config.digest import digest
from experiments.config.node import plain
from experiments.records.record import Stage
from experiments.run.context import RunContext
from experiments.run.stage_plan import place_of
from experiments.run.store import Weights
from experiments.system import checkout
from experiments.system.console import log
from experiments.system.library_warnings import suppress_warnings
from experiments.system.preemption import postpone_exit
from experiments.trainer import checkpoints, ranks
from experiments.trainer.callbacks import make_callbacks
from experiments.trainer.checkpoints import DurableCheckpoints, StageCheckpoint, exists, weights
from experiments.trainer.metrics_file import MetricsFile
from experiments.trainer.progress import StageBar
from pruning.graph.cost import count_macs
from pruning.lightning.steps import MethodSteps
from pruning.methods.base import PruningMethod
from pruning.modes import deterministic_algorithms
from pruning.objectives import CrossEntropy, Objective
from pruning.training.task import ClassificationTask


@dataclass(frozen=True)
class StageResult:
    """A network at the end of a stage, the digest of all that led to it, and what each stage on the way cost."""

    network: nn.Module
    digest: str
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class StageSpec:
    """What one stage adds to the network it starts from."""

    stage: str
    recipe: str  # which of the recipes
    objective: Objective
    method: PruningMethod | None = None


def train(context: RunContext, start: StageResult, spec: StageSpec) -> StageResult:
    """`start` stays as it is."""
    recipe, network = context.recipes[spec.recipe], copy.deepcopy(start.network)
    training = {"recipe": asdict(recipe), "compiled": context.execution(spec.recipe).compiled}
    key = digest(spec.stage, plain(context.settings), parent=start.digest, **training, **context.content(spec.stage))
    if not recipe.epochs:  # a one-shot method decides on the network as it is
        if spec.method is not None:
            spec.method.begin_stage(network, context.image_shape, 0)
        return replace(start, network=network, digest=key)
    finished = context.store.stage(spec.stage, key, lambda folder: fit(context, network, spec, folder, key))
    ranks.barrier()  # all have read what is cleared now
    if ranks.is_rank_zero():
        checkpoints.remove_checkpoints(finished.folder)  # only now: a kill before the result is stored needs them
    if finished.stage.reused:
        load_reused(context, network, spec, finished.weights)
    return StageResult(network, key, (*start.stages, finished.stage))


def train_baseline(context: RunContext) -> StageResult:
    """Nothing to train where all weights come from a file."""
    start = StageResult(context.network, context.baseline_digest or "")
    return start if context.trained else train(context, start, StageSpec("baseline", "baseline", CrossEntropy()))


def load_reused(context: RunContext, network: nn.Module, spec: StageSpec, stored: Weights) -> None:
    """Gates first: a learned network is stored with them."""
    if spec.method is not None:
        spec.method.begin_stage(network, context.image_shape, context.steps(spec.recipe))
    if context.precision == "64-true":
        network.double()  # as training left it: float32 would round what is stored, and cannot teach a double student
    network.load_state_dict(stored)


def fit(context: RunContext, network: nn.Module, spec: StageSpec, folder: Path, key: str) -> tuple[Weights, Stage]:
    """Trains the network in place, going on from a checkpoint in the folder if a killed attempt left one."""
    recipe, macs = context.recipes[spec.recipe], train_macs(context, network, spec)
    classes, settings = len(context.data.classes), context.settings
    task = ClassificationTask(
        network, spec.objective, recipe, classes, context.image_shape, settings.seed, settings.recipe.optimizer
    )
    asked = settings.trainer
    checkpoint = StageCheckpoint(folder, context.chooses_epoch(spec.recipe), asked.checkpoint_minutes)
    execution = context.execution(spec.recipe)
    place = place_of(spec.stage, context)
    log(f"stage {place.number} of {place.count}, {spec.stage}: {execution}")
    network.to(memory_format=execution.layout)
    if context.precision == "64-true":
        network.double()  # Lightning does so after it has restored a checkpoint, which loses half of the digits
    on_gpu = context.device.type != "cpu"
    with suppress_warnings(), postpone_exit(), deterministic_algorithms(on_gpu and asked.deterministic):
        trainer = build_trainer(context, spec, checkpoint, folder)
        if execution.compiled:
            task.compile_steps(context.settings.recipe.batch // trainer.world_size)
        resumed = checkpoint_to_resume(checkpoint.last_checkpoint)
        trainer.fit(task, datamodule=context.data, ckpt_path=resumed, weights_only=True)
    context.data.trainer = None  # measuring is the work of one process, and it needs all images
    checkpoint.restore(task)
    network.cpu().to(memory_format=torch.contiguous_format)
    images = recipe.epochs * context.data.sizes["train"]
    return weights(network), Stage(
        name=spec.stage,
        epochs=recipe.epochs,
        chosen_epoch=checkpoint.epoch + 1,
        val_accuracy=checkpoint.accuracy if checkpoint.accuracy >= 0 else None,
        seconds=checkpoint.seconds,
        images_per_second=images / checkpoint.seconds,
        train_macs=macs * images,
        digest=key,
        commit=checkout.commit(),
        reused=False,
        left_out=len(context.data.left_out["train"]),
        compiled=execution.compiled,
    )


def train_macs(context: RunContext, network: nn.Module, spec: StageSpec) -> int:
    """Per image: forward once, backward twice, the teacher's forward once."""
    teacher = spec.objective.teacher
    teacher_macs = count_macs(teacher, context.image_shape) if teacher is not None else 0
    return 3 * count_macs(network, context.image_shape) + teacher_macs


def checkpoint_to_resume(checkpoint: Path) -> str | None:
    if not exists(checkpoint):
        return None
    log(f"going on from {checkpoint}")
    return str(checkpoint)


def build_trainer(context: RunContext, spec: StageSpec, checkpoint: StageCheckpoint, folder: Path) -> Trainer:
    settings = context.settings.trainer
    place = place_of(spec.stage, context)
    bar = StageBar(spec.stage, settings.progress, str(place), place.epochs_after)
    trainer = Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy=settings.strategy,
        num_nodes=settings.num_nodes,
        precision=context.precision,  # type: ignore[arg-type]
        max_epochs=context.recipes[spec.recipe].epochs,
        logger=MetricsFile(folder / "metrics.jsonl", spec.stage),
        callbacks=[
            bar,
            ranks.SyncBuffers(),
            *([MethodSteps(spec.method, context.image_shape)] if spec.method else []),
            checkpoint,
            context.tracker,
            *make_callbacks(settings.callbacks),
        ],
        plugins=[DurableCheckpoints()],
        default_root_dir=folder,
        limit_val_batches=1.0 if context.data.sizes["val"] else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        reload_dataloaders_every_n_epochs=1,  # order and augmentation are functions of the epoch
        enable_model_summary=False,
        use_distributed_sampler=False,  # the data splits itself over processes, by (seed, epoch, index)
    )
    # Requests to leave are ours: its handler broadcasts in the middle of whatever a process does, and hangs. No public
    # hook is early enough: between its registration and on_train_start lie a barrier and the making of loaders
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    # and every step of its loop waits for the device to hear of one
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
    return trainer
