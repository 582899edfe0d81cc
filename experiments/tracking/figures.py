"""The figures of a record as trackers show them: flat, under stable names. Imports no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from experiments.records.record import Record
from experiments.report.load.runs import SCRATCH
from experiments.system.redact import redact

IN_NO_SUMMARY = ("answers", "accuracy_by_class", "curve")  # bits, a table of its own, what a search has timed
WRITTEN_ELSEWHERE = ("config", "layers", "stages", "classes", "versions", "command", "modified")
AS_HEADLINE = ("budget/got_macs", "budget/got_params")  # macs_cut and params_cut
OF_A_STAGE = ("epochs", "seconds", "images_per_second", "train_macs")

Columns = list[str | int]  # as wandb types it
Rows = list[list[object]]


def summary_figures(record: Record) -> dict[str, object]:
    """The headline; the record's figures, flat, without what stands elsewhere; what `tuned` cost in all."""
    values = asdict(record)
    flat = dict(flatten_figures({key: value for key, value in values.items() if key not in WRITTEN_ELSEWHERE}))
    stages = {f"{stage['name']}/{key}": stage[key] for stage in values["stages"] for key in OF_A_STAGE}
    tuned_stages = [stage for stage in record.stages if stage.name not in SCRATCH]
    total = {key: sum(getattr(stage, key) for stage in tuned_stages) for key in ("seconds", "train_macs")}
    return {key: value for key, value in flat.items() if key not in AS_HEADLINE} | stages | total | headline(record)


def headline(record: Record) -> dict[str, float]:
    """What a sweep is sorted by: shares of the dense network; latency is that of one image."""
    dense, tuned = record.dense, record.tuned
    latency = {"latency_cut": 1 - tuned.latency_ms["1"] / dense.latency_ms["1"]} if "1" in dense.latency_ms else {}
    return {
        "accuracy_drop": dense.accuracy - tuned.accuracy,
        "macs_cut": 1 - tuned.macs / dense.macs,
        "params_cut": 1 - tuned.params / dense.params,
        **latency,
    }


def layer_table(record: Record) -> tuple[Columns, Rows]:
    columns: Columns = ["layer", "filters kept", "filters", "kernels kept", "kernels"]
    return columns, [
        [name, layer.filters_kept, layer.filters_total, layer.kernels_kept, layer.kernels_total]
        for name, layer in record.layers.items()
    ]


def class_table(record: Record) -> tuple[Columns, Rows]:
    """Accuracy by class of each network that there is."""
    by_network = {
        name: network.accuracy_by_class
        for name in ("dense", "pruned", "repaired", "tuned", "scratch")
        if (network := getattr(record, name)) is not None and network.accuracy_by_class is not None
    }
    columns: Columns = ["class", *by_network]
    return columns, [list(row) for row in zip(redact(record.classes), *by_network.values(), strict=True)]


def flatten_figures(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten_figures(value, f"{path}{key}/")
        elif key not in IN_NO_SUMMARY:
            yield path + key, value
