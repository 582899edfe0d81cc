"""A record says what ran, and its command repeats it; epochs that a user types are the epochs trained."""

import shlex
from pathlib import Path

import pytest
from hydra.conf import ConfigSourceInfo
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict, read_write

from experiments.config import modified, typed_overrides
from experiments.run import prepare
from experiments.run.context import PlanContext
from experiments.run.stage_plan import describe_stages
from experiments.system import checkout
from support.tiny_run import any_settings, composed

DIGITS = ("data=noise", "model=resnet20", "plan=true")


def prepared(folder: Path, *overrides: str) -> PlanContext:
    return prepare.prepare_plan(any_settings(*DIGITS, f"folder={folder}", *overrides))


@pytest.mark.parametrize(
    ("overrides", "epochs"),
    [
        (("method=dense", "recipe.finetune.epochs=0"), (6, 0, 0)),
        (("method=l1", "recipe.finetune.epochs=1"), (6, 0, 1)),
        (("method=l1", "++recipe.finetune={epochs:1}"), (6, 0, 1)),
        (("method=l1",), (6, 0, 9)),
        (("method=l1", "recipe.grant=false"), (6, 0, 4)),
        (("method=l1", "recipe.prune.epochs=10"), (6, 0, 14)),
        (("method=fcf", "recipe.finetune.epochs=1"), (6, 5, 1)),
        (("method=l1", "recipe.scale=0.5", "recipe.finetune.epochs=7"), (3, 0, 7)),
    ],
)
def test_typed_epochs_are_the_epochs_trained(
    tmp_path: Path, overrides: tuple[str, ...], epochs: tuple[int, ...]
) -> None:
    context = prepared(tmp_path, *overrides)
    assert tuple(stage.epochs for stage in context.recipes.values()) == epochs
    assert ("since l1 needs none to prune" in describe_stages(context)) == (epochs[2] in (9, 14))


def test_an_experiments_own_epochs_are_typed() -> None:
    composed("experiment=fcf/resnet50")
    assert typed_overrides.is_typed("recipe.baseline.epochs")
    assert not typed_overrides.is_typed("recipe.finetune.epochs")


@pytest.mark.parametrize(
    ("override", "group", "name"),
    [
        ("method._target_=support.tiny_run.FPGM", "method", "support.tiny_run.FPGM"),
        ("model._target_=support.tiny_run.chain", "model", "support.tiny_run.chain"),
        ("data._target_=support.tiny_run.Quadrants", "data", "support.tiny_run.Quadrants"),
        ("budget._target_=support.tiny_run.Budget", "budget", "support.tiny_run.Budget"),
        ("objective._target_=support.tiny_run.Loss", "objective", "support.tiny_run.Loss"),
    ],
)
def test_a_record_has_the_name_of_what_ran(override: str, group: str, name: str) -> None:
    settled = any_settings(*DIGITS, "method=l1", override)
    assert getattr(settled.choice, group) == name
    assert (name in settled.name) == (group in ("method", "model", "data"))
    assert modified.modifying_overrides([override], {}) == [override]


@pytest.mark.parametrize("method", ["l1", "fcf", "gradual", "group2d", "dense", "random"])
def test_a_choice_as_its_file_says_keeps_its_name(method: str) -> None:
    assert typed_overrides.replaced_targets(composed(*DIGITS, f"method={method}")) == {}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job with a folder of configs of the user's own."""
    composed("method=l1", "seed=1")
    whole = HydraConfig.instance().cfg
    with read_write(whole.hydra), read_write(whole.hydra.runtime), open_dict(whole):
        source = ConfigSourceInfo(path=str(tmp_path), schema="file", provider="command-line")
        whole.hydra.runtime.config_sources.append(source)
        whole.hydra.overrides.task = ["method=l1", "seed=1"]
    monkeypatch.setenv("PRUNING_TARGETS", "my net")
    monkeypatch.setenv("PYTHONPATH", f"{checkout.ROOT}:my code:other")  # the program's own folder is no news
    return tmp_path


def test_the_command_names_configs_and_packages_of_the_users_own(elsewhere: Path) -> None:
    packages, folder, python, _, *rest = shlex.split(typed_overrides.command())
    assert (packages, folder, python) == ("PRUNING_TARGETS=my net", "PYTHONPATH=my code:other", "python")
    assert rest == [f"--config-dir={elsewhere}", "method=l1", "seed=1"]
    assert typed_overrides.overrides(typed_overrides.command()) == ["method=l1", "seed=1"]


def test_the_command_of_this_programs_own_classes_names_no_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRUNING_TARGETS", raising=False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert typed_overrides.shell_command(["seed=1"]) == f"{checkout.command()} seed=1"


def test_older_commands_are_read_too() -> None:
    assert typed_overrides.overrides("python run.py method=l1 'name=a b'") == ["method=l1", "name=a b"]
    assert typed_overrides.overrides("PRUNING_TARGETS=a cnn-pruning --config-dir=b seed=1") == ["seed=1"]


def test_an_own_choice_of_a_config_dir_is_found(elsewhere: Path) -> None:
    (elsewhere / "method").mkdir()
    (elsewhere / "method" / "median.yaml").write_text("defaults: [l1, _self_]\n_target_: mine.Median\n")
    assert typed_overrides.target_of_choice("method", "median") == "mine.Median"
    assert typed_overrides.target_of_choice("method", "whc") == "pruning.methods.criteria.Scored"


def test_a_secret_with_a_quote_is_not_read_as_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "it's \"hush, (hush")
    composed("method=l1", "name=${oc.env:MY_SECRET}", "recipe.baseline.epochs=3")
    assert typed_overrides.is_typed("recipe.baseline.epochs")
    assert typed_overrides.is_typed("name")
    assert not typed_overrides.is_typed("recipe.finetune.epochs")
