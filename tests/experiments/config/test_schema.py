import json

import pytest
from omegaconf import OmegaConf

from experiments.config.digest import digest
from experiments.config.node import plain
from experiments.config.settings import load
from support.tiny_run import composed, config, settings


def test_the_settings_are_what_was_composed_and_plain_again() -> None:
    """To the byte: digests and records are made of it."""
    config = composed("experiment=l1/resnet56_a", "budget.round_to=8")
    assert json.dumps(plain(load(config))) == json.dumps(OmegaConf.to_container(config, resolve=True))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+foo=3", r"foo: no such key; known here are objective, recipe"),
        ("+recipe.prune.foo=3", r"recipe\.prune\.foo: no such key; known here are epochs"),
        ("baseline=", r"baseline must name a file or a folder, got '': or leave it out"),
        ("ratio=1.0", r"ratio must lie in \[0, 1\), got 1"),
        ("ratio=1.5", r"ratio must lie in \[0, 1\), got 1\.5"),
        ("ratio=-0.1", r"ratio must lie in \[0, 1\), got -0\.1"),
        ("ratio=nan", "ratio must be a finite number, got nan"),
        ("recipe.finetune.lr=inf", r"recipe\.finetune\.lr must be a finite number, got inf"),
        ("recipe.baseline.epochs=-1", r"recipe\.baseline\.epochs must be 0 or more, got -1"),
        ("recipe.baseline.schedule=square", r"recipe\.baseline\.schedule must be one of constant, step, cosine"),
        ("recipe.batch=0", r"recipe\.batch must be 1 or more, got 0"),
        ("recipe.scale=0", r"recipe\.scale must be above 0, got 0"),
        (
            "trainer.precision=16-true",
            r"trainer\.precision must be one of auto, 32-true, bf16-mixed, 16-mixed, 64-true",
        ),
        ("trainer.compile=1", r"trainer\.compile must be one of auto, True, False, got 1"),
        ("recipe.finetune.momentum=-0.5", r"momentum must lie in \[0, 1\), got -0\.5$"),
        ("recipe.finetune.momentum=1", r"recipe\.finetune\.momentum must lie in \[0, 1\), got 1"),
        ("seed=-1", r"seed must lie in 0 \.\.\. 4294967295, got -1"),
        (f"seed={2**63}", r"seed must lie in 0 \.\.\. 4294967295, got 9223372036854775808"),
        ("data.seed=4294967296", r"data\.seed must lie in 0"),
        ("data.mean=[0.5]", r"data\.mean must be three numbers, of red, green and blue, got \[0\.5\]"),
        ("data.std=[1,1,many]", r"data\.std must be three numbers"),
        ("data.std=[0.2,0.2,0]", r"data\.std must be above 0 in each of three colours"),
        ("data.val=1.0", r"data\.val must be a share in \[0, 1\) or a count of images, got 1\.0"),
        ("data.val=-0.1", r"data\.val must be a share in \[0, 1\) or a count"),
        ("scan.ratios=[]", r"scan\.ratios must name a number or more"),
        ("scan.ratios=[0.5,1]", r"each of scan\.ratios must lie in \[0, 1\), got 1"),
        ("tracking.mode=onlin", r"tracking\.mode must be one of offline, online, none, got onlin"),
        ("tracking.project=a/b", r"tracking\.project=a/b has '/': W&B takes names of 1 to 128 characters"),
        (f"tracking.project={'a' * 129}", r"tracking\.project=a{40} has 129 characters"),
        ("tracking.project=''", r"tracking\.project= has 0 characters"),
        ("control=dense", r"control must be one of None, scratch, got dense"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_rule(override: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings(override)


@pytest.mark.parametrize("override", [f"seed={2**32 - 1}", "data.val=1000", "data.val=0", "method=random"])
def test_values_at_their_bounds_are_accepted(override: str) -> None:
    settings(override)


@pytest.mark.parametrize("override", ["ratio=abc", "store=maybe", "seed=1.5", "recipe.baseline.epochs=many"])
def test_a_value_of_another_type_does_not_compose(override: str) -> None:
    with pytest.raises(Exception, match=override.partition("=")[2]):
        config(override)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(Exception, match="ratoi"):
        config("ratoi=0.5")


def test_off_is_no_truthy_string() -> None:
    assert config("store=off").store is False


def test_an_allocation_reaches_the_budget_and_the_name() -> None:
    made = settings("budget=params", "allocation=random", "seed=7", "method=random")
    (allocation,) = {str(node["allocation"]) for node in (made.method.arguments["budget"], made.budget.arguments)}
    assert allocation == str({"_target_": "pruning.budget.RandomWidths", "seed": 7})
    assert (made.choice.allocation, made.choice.budget) == ("random", "params")
    assert made.name.endswith("-random-0.5-s7")
    assert settings("budget=macs").name.endswith("-0.5-s0")


def test_without_a_budget_no_layer_gives_anything() -> None:
    dense, spread = (settings("method=dense", "budget=macs", *asked) for asked in ((), ("allocation=lamp",)))
    assert dense.name == spread.name
    assert digest("run", plain(dense)) == digest("run", plain(spread))


def test_the_ratio_reaches_the_budget() -> None:
    budget = settings("ratio=0.3").method.arguments["budget"]
    assert isinstance(budget, dict)
    assert budget["ratio"] == 0.3
