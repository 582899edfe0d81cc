"""Old records are read for good: every committed one, and each step says what runs did before there was a choice."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from experiments.records.record import SCHEMA, Record, read
from experiments.records.upgrade import STEPS, upgrade
from experiments.report.load.grouping import repetition_key
from experiments.report.table import RESULTS
from support.tiny_run import composed

UNIFORM = {"_target_": "pruning.budget.Uniform"}
LATER = {"repair": {"steps": [], "images": 400}, "observe": {"images": 400}, "allocation": UNIFORM, "rounds": 1}
TABLE = "table.json"  # of no run
PATHS = [path for path in sorted(RESULTS.rglob("*.json")) if path.parent.name != "benchmarks" and path.name != TABLE]


def test_every_committed_record_is_read() -> None:
    assert len(PATHS) >= 70
    configs = [read(path).config for path in PATHS]
    for config in configs:
        assert config["budget"]["round_to"] == 1
        assert config["trainer"]["deterministic"] is True
        assert config["method"]["budget"]["round_to"] == 1
        assert config["method"].get("start", "one") in ("one", "l1")
        assert ("start" in config["method"]) == config["method"]["_target_"].endswith("FCF")
        assert ("form" in config["method"]) == config["method"]["_target_"].endswith("Group2D")
        assert ("levels" in config["method"]) == config["method"]["_target_"].endswith("Group2D")
        assert "steps" not in config["method"]


@pytest.mark.parametrize("method", ["fcf", "group2d", "l1", "random"])
def test_a_run_of_today_averages_with_one_of_then(method: str) -> None:
    """Its own command, composed by the conf/ of today."""
    assert_repeated(read(next((RESULTS / "digits_resnet20").glob(f"{method}-*-0.5-s1-*/record.json"))))


def test_gradual_averages_with_what_was_called_fcf_ours() -> None:
    for ratio in ("0.3", "0.5", "0.7"):
        old = read(next((RESULTS / "cifar10_resnet20_short").glob(f"fcf_ours-*-{ratio}-*/record.json")))
        assert old.method == old.config["choice"]["method"] == "gradual"
        assert_repeated(replace(old, command=old.command.replace("fcf_ours", "gradual")))


def test_fcf_ours_with_other_gates_was_fcf() -> None:
    method = {"_target_": "pruning.methods.fcf.FCF", "cross": False, "gate": "filter", "start": "l1"}
    record = {"schema": 5, "method": "fcf_ours", "config": {"method": method, "seed": 3}}
    new = upgrade(record)
    assert new["method"] == "fcf"
    assert new["config"]["method"] == method | {"seed": 3}


def test_a_global_budget_ranked_by_mean_magnitude_whatever_the_method_scored() -> None:
    bounds = {"ratio": 0.4, "floor": 0.1, "ceiling": 0.9, "round_to": 1}
    old = {"_target_": "pruning.budget.Global"} | bounds
    config = {"method": {"budget": old}, "budget": old, "choice": {"budget": "global"}}
    record = {"schema": 5, "command": "python run.py budget=global", "budget": {"of": "global"}, "config": config}
    allocation = {"_target_": "pruning.budget.MeanMagnitude"}
    new = {"_target_": "pruning.budget.Share", "of": "filters", "allocation": allocation} | bounds
    choice = {"budget": "filters", "allocation": "l1"}
    assert upgrade(record) == {
        "schema": SCHEMA,
        "command": "python run.py budget=filters allocation=l1",
        "budget": {"of": "filters", "allocation": "l1"},
        "config": {"method": {"budget": new}, "budget": new, "choice": choice, "allocation": allocation}
        | {"observe": LATER["observe"], "rounds": 1},
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("python run.py method=l1", "python run.py method=l1 budget=layer"),
        ("python run.py method=l1 budget=macs", "python run.py method=l1 budget=macs"),
        ("python run.py experiment=l1/vgg16_a", "python run.py experiment=l1/vgg16_a"),
    ],
)
def test_a_command_of_then_says_what_its_ratio_was_a_share_of(old: str, new: str) -> None:
    assert upgrade({"schema": 5, "command": old})["command"] == new


def assert_repeated(old: Record) -> None:
    config = OmegaConf.to_container(composed(*(word for word in old.command.split() if "=" in word)), resolve=True)
    assert repetition_key(replace(old, config=config)) == repetition_key(old)


def test_steps_lead_without_a_gap_to_the_schema_that_is_written() -> None:
    assert list(STEPS) == list(range(2, SCHEMA))


def test_what_is_written_today_is_left_as_it_is() -> None:
    """A command need not say `budget=macs` any more: it is the default."""
    found = [json.loads(path.read_text()) for path in PATHS]
    today = [values for values in found if values["schema"] == SCHEMA]
    assert len(today) >= 4
    assert [upgrade(copy.deepcopy(values)) for values in today] == today


@pytest.mark.parametrize("path", [PATHS[0], RESULTS / "digits_vgg16" / "group2d.json"])
def test_nothing_that_was_written_is_changed(path: Path) -> None:
    old = json.loads(path.read_text())
    kept = copy.deepcopy(old)
    new = upgrade(old)
    assert old == kept, "a step is pure"
    changed = ("config", "schema", "budget", "command")
    assert {key: value for key, value in new.items() if key not in changed} == {
        key: value for key, value in old.items() if key not in changed
    }
    assert new["budget"] == old["budget"] | {"allocation": "uniform"}
    assert set(new["command"].split()) == {*old["command"].split(), f"budget={old['budget']['of']}"}
    assert upgrade(new) == new
    method = {"levels" if name == "steps" else name: value for name, value in old["config"]["method"].items()}
    method |= {"budget": new["config"]["method"]["budget"]}
    assert method.items() <= new["config"]["method"].items()


def test_what_was_chosen_stays() -> None:
    config = {"method": {"_target_": "pruning.methods.fcf.FCF", "start": "l1"}, "budget": {"round_to": 8}}
    added = {"method": {**config["method"], "linear": False, "seed": None}} | LATER
    assert upgrade({"schema": 2, "config": config}) == {"schema": SCHEMA, "config": config | added}


@pytest.mark.parametrize("config", [None, [], {"method": None, "budget": 3}, {"method": {"budget": "x"}}])
def test_what_is_no_config_is_left_for_the_reader_to_refuse(config: object) -> None:
    wanted = config | LATER if isinstance(config, dict) else config
    assert upgrade({"schema": 2, "config": config}) == {"schema": SCHEMA, "config": wanted}  # type: ignore[dict-item]
