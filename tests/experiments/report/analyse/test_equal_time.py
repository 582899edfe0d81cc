"""Accuracy at equal time lies on the line between the two nearest rows, by the accuracy that belongs to the axis."""

from dataclasses import replace

import pytest

from experiments.records.record import Deployed, Deployment, read
from experiments.report.analyse.configurations import Comparison, build_comparisons
from experiments.report.load.runs import Run
from experiments.report.render.equal_time_view import equal_time_views
from experiments.report.table import RESULTS

RECORD = read(RESULTS / "cifar10_resnet20" / "l1.json")


def deployed(ms: float, accuracy: float) -> Deployed:
    return Deployed(accuracy, 1000, {"1": ms, "64": 60 * ms}, {"1": 0.01, "64": 0.01}, None)


def row(method: str, ratio: float, ms: float, accuracy: float, int8: tuple[float, float] | None = None) -> Run:
    """The dense network takes 10 ms."""
    tuned = replace(RECORD.tuned, accuracy=accuracy, latency_ms={"1": ms})
    made = replace(RECORD, method=method, ratio=ratio, tuned=tuned, dense=replace(RECORD.dense, latency_ms={"1": 10.0}))
    made = replace(made, config=made.config | {"ratio": ratio, "choice": {"method": method}})
    if int8 is None:
        return Run(made, RESULTS)
    files = (deployed(10, 0.9), deployed(4, 0.89), deployed(ms, accuracy), deployed(*int8))
    return Run(replace(made, deployment=Deployment(*files, 400, 0.01, [], 1, "ONNX Runtime")), RESULTS)


def compared(*runs: Run) -> Comparison:
    (comparison,) = build_comparisons(runs)
    return comparison


def test_the_accuracy_of_each_method_at_half_of_the_time() -> None:
    """By hand: l1 at 5 ms lies half-way between 4 ms and 6 ms, random a quarter of the way from 4 to 8."""
    runs = [row("l1", 0.3, 6, 0.90), row("l1", 0.6, 4, 0.86), row("random", 0.3, 8, 0.88), row("random", 0.6, 4, 0.80)]
    (view,) = equal_time_views(compared(*runs))
    assert view["axis"] == "batch 1"
    (at_half,) = view["rows"]
    assert at_half["time"] == "50 %"
    assert [(at["curve"], at["shown"]) for at in at_half["ranked"]] == [("l1", "88.00 %"), ("random", "82.00 %")]


def test_a_method_that_was_not_measured_on_both_sides_is_left_out() -> None:
    runs = [row("l1", 0.3, 6, 0.90), row("l1", 0.6, 4, 0.86), row("random", 0.3, 8, 0.88), row("random", 0.6, 7, 0.80)]
    assert equal_time_views(compared(*runs)) == []


def test_integers_are_ranked_by_their_own_accuracy_and_time() -> None:
    runs = [
        row("l1", 0.3, 9, 0.90, (6, 0.70)),
        row("l1", 0.6, 8, 0.90, (4, 0.60)),
        row("random", 0.3, 9, 0.80, (6, 0.75)),
        row("random", 0.6, 8, 0.80, (4, 0.75)),
    ]
    comparison = compared(*runs)
    (view,) = equal_time_views(comparison)
    assert view["axis"] == "int8, ONNX Runtime, batch 1"
    assert [(at["curve"], at["shown"]) for at in view["rows"][0]["ranked"]] == [
        ("random", "75.00 %"),
        ("l1", "65.00 %"),
    ]
    figures = {figure.key: figure.of(runs[1]) for figure in comparison.figures}
    assert figures["int8"] == 0.60
    assert (figures["time_cut_fp32"], figures["time_cut_int8"]) == pytest.approx((0.2, 0.6))


def test_runs_without_integers_have_no_such_columns() -> None:
    assert "int8" not in {figure.key for figure in compared(row("l1", 0.3, 6, 0.9)).figures}
