"""The recipe a stage really trains by: epochs scaled, and a one-shot method's unspent epochs given to fine-tuning."""

from collections.abc import Collection
from dataclasses import replace

from experiments.config.schema import Recipe, Stage

STAGES = ("baseline", "prune", "finetune")


def stages(recipe: Recipe, one_shot: bool, typed: Collection[str] = ()) -> dict[str, Stage]:
    """`typed`: stages whose epochs the user gave; these are neither scaled nor added to."""
    made = scale_recipe(recipe, typed)
    if one_shot:
        total = made["finetune"].epochs + granted_epochs(recipe, one_shot, typed)
        made |= {"prune": replace(made["prune"], epochs=0), "finetune": replace(made["finetune"], epochs=total)}
    return made


def granted_epochs(recipe: Recipe, one_shot: bool, typed: Collection[str] = ()) -> int:
    """Epochs more of fine-tuning, for a method that needs none to prune."""
    if not (one_shot and recipe.grant) or "finetune" in typed:
        return 0
    return scale_recipe(recipe, typed)["prune"].epochs


def scale_recipe(recipe: Recipe, typed: Collection[str]) -> dict[str, Stage]:
    given = {name: getattr(recipe, name) for name in STAGES}
    return {name: stage if name in typed else scaled(stage, recipe.scale) for name, stage in given.items()}


def scaled(stage: Stage, scale: float) -> Stage:
    """Milestones below 1 are shares of the stage and scale by themselves. A stage that trains keeps one epoch."""
    epochs = max(1, round(stage.epochs * scale)) if stage.epochs else 0
    marks = [mark if mark < 1 else mark * scale for mark in stage.milestones]
    return replace(stage, epochs=epochs, milestones=marks, warmup=stage.warmup * scale)
