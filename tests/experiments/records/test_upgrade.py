"""Old records are read for good: every committed one, and each step says what runs did before there was a choice."""

import copy
import json
from pathlib import Path

import pytest

from experiments.records.record import SCHEMA, read
from experiments.records.upgrade import STEPS, upgrade
from experiments.report.table import RESULTS

PATHS = [path for path in sorted(RESULTS.rglob("*.json")) if path.parent.name != "benchmarks"]


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


def test_steps_lead_without_a_gap_to_the_schema_that_is_written() -> None:
    assert list(STEPS) == list(range(2, SCHEMA))


@pytest.mark.parametrize("path", [PATHS[0], PATHS[-1]])
def test_nothing_that_was_written_is_changed(path: Path) -> None:
    old = json.loads(path.read_text())
    kept = copy.deepcopy(old)
    new = upgrade(old)
    assert old == kept, "a step is pure"
    assert {key: value for key, value in new.items() if key not in ("config", "schema")} == {
        key: value for key, value in old.items() if key not in ("config", "schema")
    }
    assert upgrade(new) == new
    method = old["config"]["method"] | {"budget": new["config"]["method"]["budget"]}
    assert method.items() <= new["config"]["method"].items()


def test_what_was_chosen_stays() -> None:
    config = {"method": {"_target_": "pruning.methods.fcf.FCF", "start": "l1"}, "budget": {"round_to": 8}}
    assert upgrade({"schema": 2, "config": config}) == {"schema": 3, "config": config}


@pytest.mark.parametrize("config", [None, [], {"method": None, "budget": 3}, {"method": {"budget": "x"}}])
def test_what_is_no_config_is_left_for_the_reader_to_refuse(config: object) -> None:
    assert upgrade({"schema": 2, "config": config}) == {"schema": 3, "config": config}  # type: ignore[dict-item]
