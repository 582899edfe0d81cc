from experiments.config.schema import Recipe, Stage
from experiments.trainer.recipes import stage_recipes


def stage(epochs: int, milestones: tuple[float, ...] = ()) -> Stage:
    return Stage(epochs, 0.1, 0.9, 0.0, "step", list(milestones), 0.1, 1.0)


def recipe(scale: float = 1.0, grant: bool = True) -> Recipe:
    return Recipe(128, scale, "best", "sgd", grant, stage(20, (10,)), stage(30), stage(120, (0.5, 0.75)))


def epochs(one_shot: bool, **changes: object) -> list[int]:
    return [each.epochs for each in stage_recipes(recipe(**changes), one_shot).values()]  # type: ignore[arg-type]


def test_a_one_shot_method_trains_for_the_same_total() -> None:
    assert epochs(one_shot=False) == [20, 30, 120]
    assert epochs(one_shot=True) == [20, 0, 150]
    assert epochs(one_shot=True, grant=False) == [20, 0, 120]


def test_scale_shrinks_epochs_and_milestones_alike() -> None:
    scaled = stage_recipes(recipe(scale=0.1), one_shot=False)
    assert [each.epochs for each in scaled.values()] == [2, 3, 12]
    assert scaled["baseline"].milestones == [1.0]
    assert scaled["finetune"].milestones == [0.5, 0.75]
    assert scaled["baseline"].warmup == 0.1


def test_a_stage_that_trains_keeps_an_epoch() -> None:
    assert epochs(one_shot=False, scale=1e-6) == [1, 1, 1]
