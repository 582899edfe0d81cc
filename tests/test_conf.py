"""Every file of conf/ composes, found by glob; every method on every data set composes and can be made."""

import inspect
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_class, get_method
from omegaconf import DictConfig, OmegaConf

from experiments.config import schema, targets
from experiments.config.choices import CONF, INNER, headline
from experiments.config.hydra_versions import instantiate
from experiments.config.keys import KEYS
from experiments.config.settings import begin_job
from experiments.config.typed import build
from pruning.methods.criteria import CRITERIA
from pruning.methods.registry import CLASSES, find_method
from support.tiny_run import whole_config

GROUPS = ("objective", "recipe", "tracking", "budget", "allocation", "repair", "data", "model", "method", "experiment")


def choices(group: str) -> list[str]:
    files = sorted((CONF / group).rglob("*.yaml"))
    return [path.relative_to(CONF / group).with_suffix("").as_posix() for path in files if not INNER & set(path.parts)]


EVERY = [(group, choice) for group in GROUPS for choice in choices(group)]


def composed(*overrides: str) -> DictConfig:
    whole = whole_config(*overrides)
    HydraConfig.instance().set_config(whole)
    return whole


def plain(config: DictConfig) -> dict:
    return OmegaConf.to_container(begin_job(config), resolve=True, throw_on_missing=False)  # type: ignore[return-value]


def test_every_group_has_choices() -> None:
    assert {group for group, _ in EVERY} == set(GROUPS)


@pytest.mark.parametrize(("group", "choice"), EVERY, ids="=".join)
def test_every_file_composes_and_is_accepted(group: str, choice: str) -> None:
    config = composed(f"{group}={choice}")
    assert config.hydra.runtime.choices[group] == choice
    targets.check_nodes(build(schema.Settings, plain(config)))


@pytest.mark.parametrize("file", sorted((CONF / "recipe" / "by_method").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_method_has_its_own_recipe(file: Path) -> None:
    recipe, _, method = file.stem.partition("_")
    own = OmegaConf.load(file)
    config = composed(f"recipe={recipe}", f"method={method}")
    assert OmegaConf.merge(config.recipe, own) == config.recipe


@pytest.mark.parametrize(
    ("file", "group"),
    [(f, g) for g in ("recipe", "method") for f in sorted((CONF / g / "by_data").glob("*.yaml"))],
    ids=str,
)
def test_a_data_set_has_its_own_values(file: Path, group: str) -> None:
    *recipe, method, data = file.stem.split("_")
    config = composed(*(f"recipe={name}" for name in recipe), f"method={method}", f"data={data}")
    assert OmegaConf.merge(config[group], OmegaConf.load(file)) == config[group]


@pytest.mark.parametrize("group", GROUPS)
def test_every_file_says_what_it_is_in_its_first_comment(group: str) -> None:
    assert [choice for choice in choices(group) if not headline(CONF / group / f"{choice}.yaml")] == []


@pytest.mark.parametrize("data", choices("data"))
@pytest.mark.parametrize("method", choices("method"))
def test_every_method_is_made_on_every_data_set(method: str, data: str) -> None:
    values = plain(composed(f"method={method}", f"data={data}"))
    targets.check_nodes(build(schema.Settings, values))
    made = instantiate(values["method"], _convert_="all")
    assert type(made) is get_class(values["method"]["_target_"])
    assert isinstance(get_class(values["data"]["_target_"]), type)


@pytest.mark.parametrize("method", CLASSES)
def test_a_methods_values_are_its_constructors(method: str) -> None:
    """The class is their home; YAML shows them, for Hydra must know the keys."""
    shown = OmegaConf.to_container(OmegaConf.load(CONF / "method" / f"{method}.yaml"), resolve=False)
    parameters = inspect.signature(find_method(method)[0]).parameters
    assert shown["_target_"] == CLASSES[method]
    defaults = {name: p.default for name, p in parameters.items() if name not in ("budget", "seed")}
    assert {name: value for name, value in shown.items() if name not in ("defaults", "_target_", "budget", "seed")} == (
        defaults
    )
    assert shown.keys() - {"defaults", "_target_"} == parameters.keys()


def test_a_criterions_values_are_the_constructors_of_all() -> None:
    shown = OmegaConf.to_container(OmegaConf.load(CONF / "method" / "shared" / "criterion.yaml"), resolve=False)
    parameters = inspect.signature(find_method("l2")[0]).parameters
    assert shown.keys() - {"_target_"} == parameters.keys()
    own = {"_target_", "budget", "criterion"}
    assert {name: value for name, value in shown.items() if name not in own} == {
        name: p.default for name, p in parameters.items() if name not in own
    }


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_is_a_method(criterion: str) -> None:
    values = plain(composed(f"method={criterion}"))
    assert str(instantiate(values["method"], _convert_="all")) == criterion
    assert values["choice"]["method"] == criterion


def test_messages_name_keys_that_there_are() -> None:
    asked = [
        ("method=fcf",),
        ("method=l1",),
        ("method=l2",),
        ("method=group2d", "budget=filters"),
        ("method=slimming",),
        ("method=torch_pruning",),
        ("allocation=rates",),
        ("budget=macs", "model=torchvision", "model.name=alexnet"),
        ("model=resnet20", "budget=layer"),
        ("budget=latency",),
    ]
    configs = [composed(*each) for each in asked]
    missing = object()
    assert [
        key
        for key in set(KEYS.values())
        if all(OmegaConf.select(config, key, default=missing) is missing for config in configs)
    ] == []


@pytest.mark.parametrize("model", [choice for choice in choices("model") if choice != "torchvision"])
def test_every_model_of_ours_exists(model: str) -> None:
    assert callable(get_method(plain(composed(f"model={model}"))["model"]["_target_"]))


def test_a_data_file_picks_its_recipe_and_the_user_has_the_last_word() -> None:
    assert composed("data=digits").hydra.runtime.choices.recipe == "smoke"
    assert composed("data=digits", "recipe=short").hydra.runtime.choices.recipe == "short"


def test_the_command_line_beats_an_experiment(tmp_path: Path) -> None:
    config = composed("experiment=l1/resnet56_a", "ratio=0.25")
    assert config.ratio == 0.25
