"""Levels of Wang et al. 2023 on configs written by hand: each misses exactly one condition."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmarks.synthetic_runs import synthetic_record
from experiments.records.record import Record, Stage
from experiments.report.analyse import claims
from experiments.report.analyse.configurations import build_comparisons
from experiments.report.analyse.fairness import (
    FAIR,
    LEVELS,
    TOGETHER,
    build_protocol,
    comparable_groups,
    differences,
    fairness_level,
    may_be_ranked,
    same_rate,
    trait_values,
)
from experiments.report.load.runs import Run
from experiments.report.render import fairness_section

RECIPE = {"epochs": 3, "lr": 0.01, "schedule": "cosine"}


def record(seed: int = 0, prune: int = 2, finetune: int = 3, base: str = "b" * 64) -> Record:
    template = synthetic_record("l1", 0.5, seed)
    stages = [("baseline", 20, base), ("prune", prune, "p" * 64), ("finetune", finetune, "f" * 64)]
    made = [Stage(name, count, None, None, 1.0, None, 1, digest, None, False) for name, count, digest in stages]
    config = copy.deepcopy(template.config)
    config["recipe"] |= {"batch": 128, "prune": dict(RECIPE), "finetune": dict(RECIPE)}
    return replace(template, stages=[stage for stage in made if stage.epochs], config=config)


def changed(path: str, value: Any) -> Record:
    found = record()
    place = found.config
    *groups, key = path.split(".")
    for group in groups:
        place = place[group]
    place[key] = value
    return found


def of(a: Record, b: Record) -> str | None:
    return fairness_level(build_protocol([a]), build_protocol([b]))


@pytest.mark.parametrize(
    ("other", "held", "what"),
    [
        (record(), "S4.2", []),
        (changed("recipe.prune.lr", 0.1), "S4.1", ["pruning lr"]),
        (record(prune=4), "S3.2", ["pruning epochs"]),
        (changed("recipe.finetune.schedule", "step"), "S3.1", ["fine-tuning schedule"]),
        (changed("recipe.batch", 256), "S3.1", ["fine-tuning batch"]),
        (replace(record(), objective="distillation"), "S3.1", ["fine-tuning objective"]),
        (replace(record(), precision="32-true"), "S3.1", ["fine-tuning precision"]),
        (record(finetune=5), "S2", ["fine-tuning epochs"]),
        (record(base="c" * 64), "S1", ["dense network of seed 0"]),
        (record(seed=1), "S1", ["seeds"]),
        (changed("data.val", 0.5), None, ["data val"]),
        (changed("model.shortcut", "B"), None, ["network shortcut"]),
        (changed("data.root", "elsewhere"), "S4.2", []),
        (changed("data.seed", 5), "S4.2", []),
    ],
)
def test_one_condition_missed(other: Record, held: str | None, what: list[str]):
    assert of(record(), other) == of(other, record()) == held
    assert [each.what for each in differences(build_protocol([record()]), build_protocol([other]))] == what


def test_levels_are_cumulative():
    """With the same pruning but another dense network, what comes above does not count."""
    both = replace(record(base="c" * 64, finetune=9))
    assert of(record(), both) == "S1"


def test_one_shot_methods_have_no_schedule_of_pruning():
    one, other = record(prune=0), changed("recipe.prune.lr", 0.1)
    other = replace(other, stages=one.stages)
    assert of(one, other) == "S4.2"


def of_file(path: str, accuracy: float, digest: str | None = None) -> Record:
    found = changed("baseline", path)
    stages = [stage for stage in found.stages if stage.name != "baseline"]
    dense = replace(found.dense, accuracy=accuracy)
    return replace(found, stages=stages, dense=dense, baseline_digest=digest)


def test_a_dense_network_from_a_file_is_known_by_its_digest():
    """Under any name; two files of one name and accuracy are two networks."""
    assert of(of_file("a/w.safetensors", 0.9, "1" * 64), of_file("b/v.safetensors", 0.9, "1" * 64)) == "S4.2"
    ours, theirs = (build_protocol([of_file("a/w.safetensors", 0.9, digest * 64)]) for digest in "12")
    assert [(each.level, each.ours, each.theirs) for each in differences(ours, theirs)] == [
        ("S2", "w.safetensors with 90 %, 111111111111", "w.safetensors with 90 %, 222222222222")
    ]


def test_a_dense_network_from_a_file_is_known_by_name_and_accuracy_where_a_record_is_older():
    older, newer = of_file("a/w.safetensors", 0.9), of_file("b/w.safetensors", 0.9, "1" * 64)
    assert of(older, newer) == of(newer, older) == "S4.2"
    assert comparable_groups({"l1": build_protocol([older]), "fcf": build_protocol([newer])}, FAIR) == [["l1", "fcf"]]
    assert of(older, of_file("a/w.safetensors", 0.91, "1" * 64)) == "S1"
    assert of(of_file("a/w.safetensors", 0.9), of_file("b/w.safetensors", 0.9)) == "S4.2"
    assert of(of_file("a/w.safetensors", 0.9), of_file("a/w.safetensors", 0.91)) == "S1"
    assert of(of_file("a/w.safetensors", 0.9), of_file("a/v.safetensors", 0.9)) == "S1"


def test_only_common_seeds_must_share_their_dense_networks():
    ours = build_protocol([record(0, base="x"), record(1, base="y")])
    assert fairness_level(ours, build_protocol([record(1, base="y"), record(2, base="z")])) == "S4.2"
    assert fairness_level(ours, build_protocol([record(1, base="x"), record(2, base="z")])) == "S1"


def test_rates_are_measured_as_their_budgets_are():
    def cut(of: str, macs: float, params: float):
        found = record()
        return build_protocol([replace(found, budget=replace(found.budget, of=of, got_macs=macs, got_params=params))])

    assert same_rate(cut("macs", 0.5, 0.2), cut("layer", 0.505, 0.9))
    assert not same_rate(cut("macs", 0.5, 0.2), cut("macs", 0.506, 0.2))
    assert same_rate(cut("params", 0.1, 0.5), cut("params", 0.9, 0.5))
    assert not same_rate(cut("params", 0.1, 0.5), cut("macs", 0.9, 0.5))


def test_fair_is_the_same_dense_network_and_the_same_epochs_in_total():
    learns, one_shot, shorter = (build_protocol([record(prune=p, finetune=f)]) for p, f in ((2, 3), (0, 5), (0, 3)))
    assert may_be_ranked(learns, one_shot, FAIR)
    assert not may_be_ranked(learns, shorter, FAIR)
    assert may_be_ranked(learns, shorter, TOGETHER)
    assert not may_be_ranked(learns, one_shot, "S3.1")


def test_rows_of_different_levels_are_ranked_apart():
    rows = {"fcf": record(2, 2, 3), "l1": record(2, 0, 5), "random": record(2, 0, 5), "short": record(2, 0, 1)}
    given = {name: build_protocol([each]) for name, each in rows.items()}
    assert comparable_groups(given, FAIR) == [["fcf", "l1", "random"], ["short"]]
    assert comparable_groups(given, "S4.2") == [["l1", "random"], ["fcf"], ["short"]]
    assert comparable_groups(given, TOGETHER) == [["fcf", "l1", "random", "short"]]


def test_what_differs_is_listed_with_whose_it_is():
    given = {
        name: build_protocol([record(prune=p, finetune=f)])
        for name, p, f in (("fcf", 2, 3), ("l1", 0, 5), ("random", 0, 5))
    }
    found = trait_values(given)
    assert found["S3.1", "fine-tuning epochs"] == {"3": ["fcf"], "5": ["l1", "random"]}
    assert found["S4.1", "pruning epochs"] == {"2": ["fcf"], "0": ["l1", "random"]}
    assert ("S4.2", "pruning lr") not in found, "that one-shot methods have none is said by their epochs"
    assert [key[0] for key in found] == sorted((key[0] for key in found), key=LEVELS.index)


def test_what_no_level_names_is_listed_beside_them():
    """FCF may cut what joins tie, L1 as its paper has it may not."""
    runs = [Run(synthetic_record(method, 0.5, 0), Path("record.json")) for method in ("fcf", "fcf-norm", "l1")]
    (comparison,) = build_comparisons(runs)
    listed = {
        each["what"]: each["values"]
        for each in fairness_section.difference_views(comparison, claims.build_protocols(comparison))
    }
    assert listed["method joined"] == {"expand": ["fcf (gate=filter)", "fcf (gate=norm)"], "keep": ["l1"]}
    assert listed["method gate"] == {"filter": ["fcf (gate=filter)"], "norm": ["fcf (gate=norm)"]}
    assert "method alpha" not in listed
