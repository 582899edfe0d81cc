"""A published experiment with an override that changes it is not the published experiment."""

from experiments.config.modified import modifying_overrides


def test_repetitions_and_places_do_not_modify_an_experiment() -> None:
    free = [
        "experiment=l1/resnet56_a",
        "seed=3",
        "data.root=here",
        "trainer.devices=2",
        "trainer.precision=32-true",
        "tracking=none",
        "baseline=weights.safetensors",
        "control=scratch",
        "method.form=auto",
        "+hydra/launcher=x",
    ]
    changing = ["ratio=0.2", "recipe.finetune.epochs=3", "data.val=0.1", "recipe=short", "+budget.table={a:0}", "~only"]
    assert modifying_overrides([*free, *changing], {}) == changing


def test_a_sweep_of_the_experiment_itself_does_not_modify_it_but_another_value_does() -> None:
    swept = {"ratio": "0.3,0.5", "method": "dense,l1", "seed": "0,1"}
    assert modifying_overrides(["ratio=0.5", "method=l1", "seed=7"], swept) == []
    assert modifying_overrides(["ratio=0.55", "method=fcf", "objective=distillation"], swept) == [
        "ratio=0.55",
        "method=fcf",
        "objective=distillation",
    ]
