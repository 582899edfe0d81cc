"""Everything a run needs, made and tried out before anything is trained: whatever cannot work is refused here."""

import os
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules import foreign
from datamodules.base import ClassificationData
from datamodules.dataset_spec import DatasetSpec
from experiments.config import targets
from experiments.config.hydra_versions import instantiate
from experiments.config.node import Node, plain
from experiments.config.schema import Settings, Stage
from experiments.run import baseline, pruned_baseline
from experiments.run.context import PlanContext, RunContext
from experiments.run.dry_run import dry_run, refuse_unfit
from experiments.run.searches import StoredSearches, budget_of_time, refuse_timing
from experiments.run.stage_plan import typed_stages
from experiments.run.store import Store
from experiments.system import hardware
from experiments.system.activity import activity
from experiments.system.checksums import content_digest, is_pruned
from experiments.system.console import log
from experiments.trainer import child_ranks, ranks, recipes
from experiments.trainer.callbacks import make_callbacks
from pruning.files import export
from pruning.graph.attachments import refuse_computed_weights
from pruning.methods.base import PruningMethod
from pruning.objectives import as_objective

ADAMW_MOST = 0.005  # of a learning rate: above it hardly anybody trains with AdamW


def prepare(settings: Settings) -> RunContext:
    processes = count_processes(settings)
    activity.begin("loading the data")
    data = make_data(settings)
    make_callbacks(settings.trainer.callbacks)  # refused now, not when a stage begins
    if processes > 1 and not data.divisible:
        raise ValueError(f"the loaders of {data.name} give every process the same images: set trainer.devices=1")
    load_data(data)
    activity.begin("building the network")
    plan = build_plan(settings, data, choose_weights(settings))
    refuse_timing(plan.method, settings.program, processes)
    device = hardware.device(settings.trainer.accelerator, settings.trainer.devices, hardware.local_rank())
    precision = resolve_precision(settings, plan.method, device)
    hardware.set_current_device(device)
    data.default_device = device
    store = Store(Path(settings.store_folder or Path(settings.folder, "store")), settings.store)
    if (budget := budget_of_time(plan.method)) is not None:
        budget.searches = StoredSearches(store.root, store.reuse)
    context = RunContext(**vars(plan), device=device, precision=precision, processes=processes, store=store)
    refuse_unfit(context)
    if child_ranks.READY_PIPE not in os.environ:  # else the first process has tried it all
        activity.begin("trying once, on random images, all that the run will do")
        dry_run(context)
    return context


def prepare_plan(settings: Settings) -> PlanContext:
    """Anywhere: without images whose sizes are published, without weights that must be fetched."""
    activity.begin("building the network")
    images = make_data(settings)
    spec = images.published_spec
    if spec is None:
        load_data(images)
    else:
        log(f"planned by the published size of {images.name}: its images are not here")
    data = spec or images
    context = build_plan(settings, data, without_weights(settings.model))
    refuse_unfit(context)
    return context


def make_data(settings: Settings) -> ClassificationData:
    """After all that can be refused without it."""
    targets.check_nodes(settings)
    refuse_unwritable(Path(settings.folder))
    if settings.export == "onnx" or settings.deploy.precision is not None:
        export.refuse_missing()
    made = instantiate(plain(targets.without_facts("data", settings.data)), _convert_="all")
    return made if isinstance(made, ClassificationData) else adapt_data(settings, made)


def adapt_data(settings: Settings, module: object) -> ClassificationData:
    """Of a user's own."""
    if not isinstance(module, LightningDataModule):
        raise ValueError(
            f"data._target_={settings.data.target} makes a {type(module).__name__}: a LightningDataModule is needed"
        )
    facts = {name: settings.data.arguments.get(name) for name in foreign.FACTS}
    given = {name: value for name, value in facts.items() if value is not None}
    return foreign.ForeignData(module, given, settings.recipe.batch, settings.seed)


def load_data(data: ClassificationData) -> None:
    data.prepare_data()
    data.setup("fit")
    for remark in data.remarks:
        log(remark, "yellow")


def choose_weights(settings: Settings) -> Node:
    """The node of model=; weights that nobody needs are not fetched."""
    if settings.baseline:
        return without_weights(settings.model)
    if not (settings.model.arguments.get("weights") or settings.recipe.baseline.epochs):
        log("recipe.baseline.epochs=0 without baseline= or model.weights=: the dense network stays untrained", "yellow")
    return settings.model


def without_weights(model: Node) -> Node:
    no_weights = {"weights": None} if "weights" in model.arguments else {}
    return Node(model.target, {**model.arguments, **no_weights})


def make_network(settings: Settings, data: ClassificationData | DatasetSpec, model: Node) -> tuple[nn.Module, bool]:
    """And whether all of it is trained, by what baseline= names."""
    if settings.baseline and is_pruned(Path(settings.baseline)):
        return pruned_baseline.load(Path(settings.baseline), data), True
    shape = {"classes": len(data.classes), "image_shape": data.image_shape}
    network: nn.Module = instantiate(plain(model), **shape, seed=settings.seed)
    refuse_computed_weights(network)
    return network, baseline.load(network, Path(settings.baseline)) if settings.baseline else False


def build_plan(settings: Settings, data: ClassificationData | DatasetSpec, model: Node) -> PlanContext:
    network, trained = make_network(settings, data, model)
    method = instantiate(plain(settings.method), _convert_="all")
    objective = as_objective(instantiate(plain(settings.objective), _convert_="all"))
    stages = resolve_epochs(settings, one_shot=not method.needs_training)
    warn_of_rates(settings, stages)
    if settings.baseline and not (trained or stages["baseline"].epochs):
        raise ValueError(
            f"recipe.baseline.epochs=0 leaves the classifier untrained that baseline={settings.baseline} does not have "
            "for these classes: give that stage an epoch or more"
        )
    digest = content_digest(Path(settings.baseline)) if settings.baseline else None
    return PlanContext(settings, data, digest, network, trained, method, objective, stages)


def count_processes(settings: Settings) -> int:
    """How many will train. Raises ValueError, in Lightning's own words, for an accelerator, devices or a strategy that
    are not to be had here, before any work."""
    try:
        trainer = ranks.bare_trainer(settings.trainer)
    except (ValueError, TypeError, RuntimeError, MisconfigurationException) as error:
        raise ValueError(f"trainer.* asks for what is not here: {error}") from error
    # ddp_spawn and ddp are both a DDPStrategy: no public name tells them apart
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
        raise ValueError(
            f"trainer.strategy={settings.trainer.strategy} makes its processes anew for each stage: take ddp"
        )
    if settings.recipe.batch % trainer.world_size:
        raise ValueError(
            f"recipe.batch={settings.recipe.batch} cannot be shared by {trainer.world_size} processes: "
            f"set recipe.batch={-(-settings.recipe.batch // trainer.world_size) * trainer.world_size}"
        )
    return int(trainer.world_size)


def resolve_epochs(settings: Settings, one_shot: bool) -> dict[str, Stage]:
    """Of every stage, and of each round's where there are several."""
    typed = typed_stages(settings)
    stages = recipes.stage_recipes(settings.recipe, one_shot, typed)
    return stages if settings.rounds == 1 else stages | recipes.share_recipes(stages, settings.rounds, typed)


def warn_of_rates(settings: Settings, stages: dict[str, Stage]) -> None:
    """Recipes give rates for SGD."""
    high = [
        f"recipe.{name}.lr={stage.lr:g}" for name, stage in stages.items() if stage.epochs and stage.lr > ADAMW_MOST
    ]
    if settings.recipe.optimizer == "adamw" and high:
        log(f"{' '.join(high)} with recipe.optimizer=adamw: a rate for SGD; AdamW usually takes 1e-4 to 3e-3", "yellow")


def resolve_precision(settings: Settings, method: PruningMethod, device: torch.device) -> str:
    precision, why = hardware.choose_precision(settings.trainer.precision, device)
    method.refuse_scaled(precision)
    log(f"training in {precision}: {why}")
    return precision


def refuse_unwritable(folder: Path) -> None:
    nearest = next(candidate for candidate in (folder, *folder.absolute().parents) if candidate.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise PermissionError(
            f"folder={folder} cannot be written: {nearest} is not a folder one may write to; choose another"
        )
