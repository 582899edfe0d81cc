"""Everything a run needs, made and tried out before anything is trained: whatever cannot work is refused here."""

import os
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import Trainer
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from experiments.config import schema, targets, typed_overrides
from experiments.config.digest import ignored_without_budget
from experiments.run import baseline
from experiments.run.context import RunContext, trainer_arguments
from experiments.run.dry_run import dry_run, refuse_unfit
from experiments.run.store import Store
from experiments.system import hardware
from experiments.system.checksums import file_digest
from experiments.system.console import log
from experiments.system.library_warnings import suppress_warnings
from experiments.system.redact import refuse_secret
from experiments.trainer import child_ranks, recipes
from pruning.files import export
from pruning.graph.attachments import refuse_computed_weights
from pruning.methods.base import PruningMethod


def prepare(config: DictConfig) -> RunContext:
    schema.check(schema.plain(config))
    processes = 1 if config.plan else count_processes(OmegaConf.to_object(config))  # type: ignore[arg-type] # a plan is made anywhere
    config = resolve(config)
    values = schema.plain(config)
    targets.refuse_foreign(values)
    targets.refuse_misfits(values)
    settings: schema.Config = OmegaConf.to_object(config)  # type: ignore[assignment]
    refuse_secret("folder", settings.folder)
    for path, value in schema.leaves(values["model"], "model"):
        refuse_secret(path, str(value))
    refuse_unwritable(Path(settings.folder))
    data = setup_data(instantiate(values["data"], _convert_="all"), settings.plan)
    context = build_context(settings, values, data, processes)
    refuse_unfit(context)
    if not settings.plan and child_ranks.READY_PIPE not in os.environ:  # else the first process has tried it all
        dry_run(context)
    if settings.sensitivity:
        refuse_scan(context)
    if settings.export == "onnx":
        export.refuse_missing()
    return context


def resolve(config: DictConfig) -> DictConfig:
    """What is left open, closed before anything is made of it, so that digest and record have the number.

    A method without a budget removes nothing, whatever ratio is asked: one run of one name, not one for each.
    """
    resolved: dict[str, Any] = {"choice": typed_overrides.replaced_targets(config)}
    if ignored_without_budget(schema.plain(config)):
        resolved["ratio"] = 0.0
    if config.budget.get("round_to") == "auto":
        resolved["budget"] = {"round_to": hardware.channel_multiple(hardware.device(config.trainer.accelerator))}
        log(f"budget.round_to={resolved['budget']['round_to']}: what this hardware computes at once")
    return OmegaConf.merge(config, resolved)  # type: ignore[return-value]


def refuse_scan(context: RunContext) -> None:
    if not context.data.sizes["val"]:
        raise ValueError("sensitivity=true looks at validation accuracy, and data.val=0 leaves none: set data.val=0.1")
    if context.method.needs_training or ignored_without_budget(context.values):
        raise ValueError(
            "sensitivity=true needs a method that decides on the network as it is, such as l1 or random, "
            f"got method={context.settings.choice.method}"
        )


def count_processes(settings: schema.Config) -> int:
    """How many will train. Raises ValueError, in Lightning's own words, for an accelerator, devices or a strategy that
    are not to be had here, before any work."""
    try:
        # 6 to 11 ms; Fabric takes 5 to 9, and its refusals speak of Fabric(devices=...)
        with suppress_warnings():
            trainer = Trainer(logger=False, enable_checkpointing=False, **trainer_arguments(settings))
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


def model_values(settings: schema.Config, values: dict[str, Any]) -> dict[str, Any]:
    """The values of model=; weights that nobody needs are not fetched."""
    model = dict(values["model"])
    if settings.plan or settings.baseline:
        return model | ({"weights": None} if "weights" in model else {})
    if not (model.get("weights") or settings.recipe.baseline.epochs):
        log("recipe.baseline.epochs=0 without baseline= or model.weights=: the dense network stays untrained", "yellow")
    return model


def build_context(settings: schema.Config, values: dict[str, Any], data: Any, processes: int) -> RunContext:
    network = instantiate(
        model_values(settings, values), classes=len(data.classes), image_shape=data.image_shape, seed=settings.seed
    )
    refuse_computed_weights(network)
    baseline_digest = None
    if settings.baseline:
        baseline.load(network, Path(settings.baseline))
        baseline_digest = file_digest(Path(settings.baseline))
    method = instantiate(values["method"], _convert_="all")
    device = hardware.device(settings.trainer.accelerator, settings.trainer.devices, hardware.local_rank())
    precision = settings.trainer.precision if settings.plan else resolve_precision(settings, method, device)
    if not settings.plan:
        hardware.set_current_device(device)
        data.default_device = device
    return RunContext(
        settings,
        data,
        baseline_digest,
        network,
        method,
        instantiate(values["objective"], _convert_="all"),
        resolve_epochs(settings, one_shot=not method.needs_training),
        device,
        precision,
        processes,
        Store(Path(settings.folder) / "store", settings.store),
    )


def resolve_epochs(settings: schema.Config, one_shot: bool) -> dict[str, schema.Stage]:
    """Epochs that a user types are the epochs trained; the grant is said."""
    typed = {stage for stage in recipes.STAGES if typed_overrides.is_typed(f"recipe.{stage}.epochs")}
    stages = recipes.stage_recipes(settings.recipe, one_shot, typed)
    granted = recipes.granted_epochs(settings.recipe, one_shot, typed)
    if granted:
        log(
            f"finetune: {stages['finetune'].epochs} epochs, {granted} of them since {settings.choice.method} needs "
            "none to prune (recipe.grant=false: without them; typed epochs stay as they are)"
        )
    return stages


def resolve_precision(settings: schema.Config, method: PruningMethod, device: torch.device) -> str:
    precision, why = hardware.choose_precision(settings.trainer.precision, device)
    method.refuse_scaled(precision)
    log(f"training in {precision}: {why}")
    return precision


def setup_data(data: Any, plan: bool) -> Any:
    if plan and data.published_spec is not None:
        log(f"planned by the published size of {data.name}: its images are not here")
        return data.published_spec
    data.prepare_data()
    data.setup("fit")
    for remark in data.remarks:
        log(remark, "yellow")
    return data


def refuse_unwritable(folder: Path) -> None:
    nearest = next(candidate for candidate in (folder, *folder.absolute().parents) if candidate.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise PermissionError(
            f"folder={folder} cannot be written: {nearest} is not a folder one may write to; choose another"
        )
