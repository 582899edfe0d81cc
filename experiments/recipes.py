"""The recipe a stage really trains by: epochs scaled, and a one-shot method's unspent epochs given to fine-tuning."""

from dataclasses import replace

from experiments.schema import Recipe, Stage


def stages(recipe: Recipe, one_shot: bool) -> dict[str, Stage]:
    baseline, prune, finetune = recipe.baseline, recipe.prune, recipe.finetune
    if one_shot:
        granted = prune.epochs if recipe.grant else 0
        prune, finetune = replace(prune, epochs=0), replace(finetune, epochs=finetune.epochs + granted)
    named = {"baseline": baseline, "prune": prune, "finetune": finetune}
    return {name: scaled(stage, recipe.scale) for name, stage in named.items()}


def scaled(stage: Stage, scale: float) -> Stage:
    """Milestones below 1 are shares of the stage and scale by themselves. A stage that trains keeps one epoch."""
    epochs = max(1, round(stage.epochs * scale)) if stage.epochs else 0
    marks = [mark if mark < 1 else mark * scale for mark in stage.milestones]
    return replace(stage, epochs=epochs, milestones=marks, warmup=stage.warmup * scale)
