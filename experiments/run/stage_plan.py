"""Which stages a run trains, in their order, and for how many epochs: said before the first one begins."""

from dataclasses import dataclass

from experiments.config.schema import Settings
from experiments.config.typed_overrides import is_typed
from experiments.run.context import PlanContext
from experiments.run.rounds import plan_rounds
from experiments.trainer import recipes

CUT = ("experiment", "plan")  # programs after whose baseline more is trained


@dataclass(frozen=True)
class Place:
    """Of one stage among all of its run."""

    number: int = 1
    count: int = 1
    epochs_after: int = 0  # of the stages that follow

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def plan_stages(context: PlanContext) -> dict[str, int]:
    """Epochs of every stage that trains."""
    stages = [] if context.trained else [("baseline", "baseline")]
    if context.settings.program in CUT:
        stages += [(stage, stage) for stages_of_round in plan_rounds(context) for stage in stages_of_round]
        stages += [("scratch", "baseline"), ("scratch_tune", "finetune")] if context.settings.control else []
    epochs = {stage: context.recipes[recipe].epochs for stage, recipe in stages}
    return {stage: count for stage, count in epochs.items() if count}


def place_of(stage: str, context: PlanContext) -> Place:
    stages = plan_stages(context)
    number = list(stages).index(stage) + 1
    return Place(number, len(stages), sum(list(stages.values())[number:]))


def describe_stages(context: PlanContext) -> str:
    stages = plan_stages(context)
    epochs = ", ".join(f"{stage} {count}" for stage, count in stages.items())
    return f"{epochs} epochs{describe_grant(context)}" if stages else "nothing is trained"


def describe_grant(context: PlanContext) -> str:
    settings, one_shot = context.settings, not context.method.needs_training
    granted = recipes.granted_epochs(settings.recipe, one_shot, typed_stages(settings))
    if not granted or context.settings.program not in CUT:
        return ""
    return (
        f", {granted} of finetune since {settings.choice.method} needs none to prune (recipe.grant=false: without "
        "them; typed epochs stay as they are)"
    )


def typed_stages(settings: Settings) -> set[str]:
    """Those whose epochs the user gave: these are the epochs trained."""
    return {stage for stage in recipes.STAGES if is_typed(f"recipe.{stage}.epochs")}
