"""The table of a row's details: means over its seeds, by hand."""

from dataclasses import replace
from pathlib import Path

from experiments.benchmarks.synthetic_runs import synthetic_record
from experiments.records.record import Network, Record
from experiments.report.analyse.configurations import Configuration, build_comparisons
from experiments.report.load.runs import Run
from experiments.report.render.answers import MOST_CLASSES, answers_view


def with_answers(network: Network, by_class: list[float | None], flips: float) -> Network:
    return replace(network, nll=0.25 + flips, ece=0.02 + flips, flips=flips, accuracy_by_class=by_class)


def record(seed: int, loss: float, classes: int = 3) -> Record:
    made = synthetic_record("l1", 0.5, seed)
    before: list[float | None] = [None, *[0.9] * (classes - 1)]
    after: list[float | None] = [None, *[0.9 - loss * index for index in range(classes - 1)]]
    return replace(
        made,
        classes=[f"class {index}" for index in range(classes)],
        dense=with_answers(made.dense, before, 0.0),
        pruned=with_answers(made.pruned, after, 0.5),
        tuned=with_answers(made.tuned, after, loss),
        scratch=with_answers(made.pruned, after, 0.4),
    )


def row(*records: Record, scratch: bool = False) -> Configuration:
    controls = (False, True) if scratch else (False,)
    (comparison,) = build_comparisons(Run(made, Path(), control) for made in records for control in controls)
    (configuration,) = [each for each in comparison.configurations if each.scratch == scratch]
    return configuration


def test_means_over_seeds_for_every_network() -> None:
    assert answers_view(row(record(0, 0.1), record(1, 0.3))) == {
        "classes": ["class 1", "class 2"],
        "left": 1,
        "lines": [
            ("dense", ["0.250", "2.0", "0.0", "90.0", "90.0"]),
            ("pruned", ["0.750", "52.0", "50.0", "90.0", "70.0"]),
            ("fine-tuned", ["0.450", "22.0", "20.0", "90.0", "70.0"]),
        ],
    }


def test_of_many_classes_those_that_lost_most_are_shown() -> None:
    view = answers_view(row(record(0, 0.01, classes=40)))
    assert view is not None
    assert view["classes"] == [f"class {index}" for index in range(40 - MOST_CLASSES, 40)]
    assert view["left"] == 40 - MOST_CLASSES


def test_the_control_has_its_own_lines() -> None:
    view = answers_view(row(record(0, 0.1), scratch=True))
    assert view is not None
    assert [line[0] for line in view["lines"]] == ["dense", "from scratch"]  # type: ignore[attr-defined]


def test_older_records_have_none_and_no_columns() -> None:
    old = synthetic_record("l1", 0.5, 0)
    assert answers_view(row(old)) is None
    for made, columns in ((old, 0), (record(0, 0.1), 3)):
        (comparison,) = build_comparisons([Run(made, Path())])
        assert sum(figure.key in ("flips", "nll", "ece") for figure in comparison.figures) == columns
