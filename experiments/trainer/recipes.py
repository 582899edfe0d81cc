"""The recipe a stage really trains by: epochs scaled, and a one-shot method's unspent epochs given to fine-tuning."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from experiments.config.schema import Recipe, Stage

STAGES = ("baseline", "prune", "finetune")


def stage_recipes(recipe: Recipe, one_shot: bool, typed: Collection[str] = ()) -> dict[str, Stage]:
    """`typed`: stages whose epochs the user gave; these are neither scaled nor added to."""
    recipes = scale_recipe(recipe, typed)
    if one_shot:
        total = recipes["finetune"].epochs + granted_epochs(recipe, one_shot, typed)
        recipes |= {
            "prune": replace(recipes["prune"], epochs=0),
            "finetune": replace(recipes["finetune"], epochs=total),
        }
    return recipes


def granted_epochs(recipe: Recipe, one_shot: bool, typed: Collection[str] = ()) -> int:
    """Epochs more of fine-tuning, for a method that needs none to prune."""
    if not (one_shot and recipe.grant) or "finetune" in typed:
        return 0
    return scale_recipe(recipe, typed)["prune"].epochs


def round_name(stage: str, number: int, rounds: int) -> str:
    """Of a round's stage, from 1 on."""
    return stage if rounds == 1 else f"{stage}-{number}"


def share_recipes(stages: Mapping[str, Stage], rounds: int, typed: Collection[str] = ()) -> dict[str, Stage]:
    """What each round trains by: all rounds of a stage have its epochs together, the later ones the rest; epochs that
    were typed are those of every round.

    Raises:
        ValueError: a stage that trains has fewer epochs than rounds.
    """
    return {
        round_name(name, number, rounds): stages[name]
        if name in typed
        else share_stage(name, stages[name], number, rounds)
        for name in ("prune", "finetune")
        for number in range(1, rounds + 1)
    }


def share_stage(name: str, stage: Stage, number: int, rounds: int) -> Stage:
    epochs = stage.epochs * number // rounds - stage.epochs * (number - 1) // rounds
    if stage.epochs and not epochs:
        raise ValueError(
            f"rounds={rounds} shares the {stage.epochs} epochs of stage {name}, and each round needs one: take fewer "
            f"rounds, or give every round its own by recipe.{name}.epochs="
        )
    share = epochs / stage.epochs if epochs else 1.0
    return replace(scale_stage(stage, share), epochs=epochs)


def scale_recipe(recipe: Recipe, typed: Collection[str]) -> dict[str, Stage]:
    stages = {name: getattr(recipe, name) for name in STAGES}
    return {name: stage if name in typed else scale_stage(stage, recipe.scale) for name, stage in stages.items()}


def scale_stage(stage: Stage, scale: float) -> Stage:
    """Milestones below 1 are shares of the stage and scale by themselves. A stage that trains keeps one epoch."""
    epochs = max(1, round(stage.epochs * scale)) if stage.epochs else 0
    milestones = [milestone if milestone < 1 else milestone * scale for milestone in stage.milestones]
    return replace(stage, epochs=epochs, milestones=milestones, warmup=stage.warmup * scale)
