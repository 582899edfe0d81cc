"""conf/sweep.yaml, in the very words that `wandb agent` makes of it."""

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from experiments.config import hydra_targets
from experiments.config.settings import load
from experiments.system.checkout import ROOT
from support.tiny_run import composed

SWEEP = yaml.safe_load((ROOT / "conf" / "sweep.yaml").read_text())


def words(last: bool) -> list[str]:
    """What stands for ${args_no_hyphens} where each parameter has its first value, or its last."""
    ends = {name: ends_of(parameter)[-last] for name, parameter in SWEEP["parameters"].items()}
    sent = create_sweep_command_args({"args": {name: {"value": value} for name, value in ends.items()}})
    return [str(word) for word in sent["args_no_hyphens"]]


def ends_of(parameter: dict[str, object]) -> list[object]:
    values = parameter.get("values", [parameter.get("value", parameter.get("min"))])
    assert isinstance(values, list)
    return [values[0], parameter.get("max", values[-1])]


@pytest.mark.parametrize(
    ("last", "wanted"), [(False, ("l1", "uniform", 0.3, 0, [], 0.001)), (True, ("random", "lamp", 0.7, 2, ["ls"], 0.1))]
)
def test_what_the_agent_types_is_taken(last: bool, wanted: tuple[object, ...]) -> None:
    hydra_targets.check(words(last))
    made = load(composed(*words(last)))
    choice, rate = made.choice, made.recipe.finetune.lr
    assert (choice.method, choice.allocation, made.ratio, made.seed, made.repair.steps, rate) == wanted
    assert (made.tracking.mode, choice.data) == ("online", "cifar10")


def test_it_calls_this_program_and_watches_a_figure_of_the_summary() -> None:
    assert SWEEP["command"] == ["${env}", "${interpreter}", "${program}", "${args_no_hyphens}"]
    assert (ROOT / SWEEP["program"]).is_file()
    assert SWEEP["project"] == composed().tracking.project
