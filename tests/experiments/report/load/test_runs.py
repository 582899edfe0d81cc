from dataclasses import replace

from experiments.records.record import Record, read
from experiments.report.analyse.configurations import build_comparisons
from experiments.report.load.runs import Run
from experiments.report.table import RESULTS

RECORD = read(RESULTS / "cifar10_resnet20" / "l1.json")


def shown(record: Record) -> dict[str, float | None]:
    run = Run(record, RESULTS)
    (comparison,) = build_comparisons([run])
    return {figure.key: figure.of(run) for figure in comparison.figures}


def test_what_a_repair_was_worth_is_a_column_where_anything_was_repaired() -> None:
    assert "repaired" not in shown(RECORD)
    figures = shown(replace(RECORD, repaired=replace(RECORD.pruned, accuracy=0.8)))
    assert list(figures)[:4] == ["dense", "pruned", "repaired", "tuned"]
    assert figures["repaired"] == 0.8
