"""What is averaged, what is one curve, what is never put together; and what each is called."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.benchmarks.synthetic_runs import synthetic_record
from experiments.records.record import Record
from experiments.report.analyse.configurations import build_comparisons
from experiments.report.load.runs import Run
from experiments.report.render import chart_data


def of(*records: Record):
    return build_comparisons([Run(record, Path("record.json")) for record in records])


def changed(record: Record, path: str, value: Any) -> Record:
    config = copy.deepcopy(record.config)
    group, _, key = path.partition(".")
    config[group][key] = value
    return replace(record, config=config)


def test_seeds_are_averaged_and_ratios_are_points_of_one_curve():
    (comparison,) = of(*(synthetic_record("l1", ratio, seed) for ratio in (0.25, 0.5) for seed in (2, 0, 1)))
    assert [(configuration.curve, len(configuration.runs)) for configuration in comparison.configurations] == [
        ("l1", 3),
        ("l1", 3),
    ]
    assert list(comparison.configurations[0].accuracies) == [0, 1, 2]


def test_another_network_or_data_set_is_another_section():
    base = synthetic_record("l1", 0.5, 0)
    other = replace(changed(base, "model.shortcut", "B"), seed=1)
    digits = replace(base, data="digits", seed=2)
    found = of(base, other, digits)
    assert [comparison.title for comparison in found] == [
        "resnet20 on cifar10, shortcut=A",
        "resnet20 on cifar10, shortcut=B",
        "resnet20 on digits",
    ]


def test_a_network_of_a_library_is_named():
    base = replace(changed(synthetic_record("l1", 0.5, 0), "model.name", "mobilenet_v2"), model="torchvision")
    assert of(base)[0].title == "torchvision mobilenet_v2 on cifar10"


def test_a_curve_is_called_by_what_tells_it_apart():
    filters, norm, l1 = (synthetic_record(method, 0.5, 0) for method in ("fcf", "fcf-norm", "l1"))
    taught = changed(replace(l1, objective="distillation"), "choice.objective", "distillation")
    (comparison,) = of(filters, norm, l1, taught)
    assert comparison.curves == [
        "fcf (gate=filter)",
        "fcf (gate=norm)",
        "l1 (cross-entropy)",
        "l1 (distillation)",
    ]


def test_a_curve_is_called_by_its_allocation_where_that_is_not_uniform() -> None:
    """Also beside no other; its seeds are repetitions, whatever lots they draw."""
    lots = [changed(synthetic_record("l1", 0.5, seed), "allocation.seed", seed) for seed in (0, 1)]
    lots = [changed(record, "choice.allocation", "random") for record in lots]
    lots = [replace(record, budget=replace(record.budget, allocation="random")) for record in lots]
    (comparison,) = of(*lots)
    assert [(row.curve, len(row.runs)) for row in comparison.configurations] == [("l1 (allocation=random)", 2)]
    (comparison,) = of(*lots, synthetic_record("l1", 0.5, 0), synthetic_record("random", 0.5, 0))
    assert comparison.curves == ["l1 (allocation=random)", "l1 (allocation=uniform)", "random"]


def test_a_curve_is_not_called_by_what_its_name_already_tells():
    """Of three, the longer one is told by its budget; a config without a key says nothing of it."""
    one, longer = synthetic_record("l1", 0.5, 0), changed(synthetic_record("l1", 0.5, 0), "choice.budget", "layer")
    longer = changed(longer, "recipe.scale", 3.0)
    taught = changed(replace(one, objective="distillation"), "choice.objective", "distillation")
    older = changed(longer, "method.joined", "expand")
    del older.config["recipe"]["scale"]
    assert of(one, longer, taught)[0].curves == [
        "l1 (budget=layer, cross-entropy)",
        "l1 (budget=macs, cross-entropy)",
        "l1 (budget=macs, distillation)",
    ]
    assert of(longer, older)[0].curves == ["l1 (joined=expand)", "l1 (joined=keep)"]


def test_a_teacher_that_the_others_did_without_is_in_the_name():
    l1, random = (synthetic_record(method, 0.5, 0) for method in ("l1", "random"))
    taught = changed(replace(l1, objective="distillation"), "choice.objective", "distillation")
    assert of(taught, random)[0].curves == ["l1 (distillation)", "random"]
    assert of(taught)[0].curves == ["l1"]


def test_what_no_number_depends_on_does_not_part_runs():
    base = synthetic_record("l1", 0.5, 0)
    moved = changed(changed(replace(base, seed=1), "data.root", "elsewhere"), "tracking.mode", "online")
    assert [len(configuration.runs) for configuration in of(base, moved)[0].configurations] == [2]


def test_a_modified_experiment_is_not_averaged_with_the_published_one():
    base = replace(synthetic_record("l1", 0.5, 0), experiment="l1/resnet20")
    other = replace(base, seed=1, modified=["ratio=0.5"])
    assert [len(configuration.runs) for configuration in of(base, other)[0].configurations] == [1, 1]


def test_times_of_two_devices_are_not_averaged():
    one, other = synthetic_record("l1", 0.5, 0), replace(synthetic_record("l1", 0.5, 1), device="another")
    (comparison,) = of(one, other)
    (configuration,) = comparison.configurations
    known = {figure.key: configuration.estimate(figure) for figure in comparison.figures}
    assert known["time_cut_64"] is known["time_per_macs"] is None
    assert known["macs_cut"] is not None


def test_a_run_without_a_figure_takes_it_from_the_mean():
    one = synthetic_record("l1", 0.5, 0)
    other = replace(synthetic_record("l1", 0.5, 1), dense=replace(one.dense, latency_ms={}))
    (comparison,) = of(one, other)
    assert comparison.configurations[0].estimate(next(f for f in comparison.figures if f.key == "time_cut_1")) is None


def test_a_row_shows_what_its_paper_printed_unless_it_is_modified():
    base = replace(synthetic_record("l1", 0.5, 0), experiment="l1/resnet56_a")
    printed = {"dense": 0.9304, "tuned": 0.931, "accuracy_mark": "read"}
    base = replace(base, config=base.config | {"published": printed})
    modified = replace(base, modified=["ratio=0.5"])
    (comparison,) = of(base, modified)
    rows = chart_data.row_details(comparison).values()
    assert sorted((row["modified"], row["published"]) for row in rows) == [
        ([], "93.04 -> 93.10 % (read)"),
        (["ratio=0.5"], ""),
    ]
