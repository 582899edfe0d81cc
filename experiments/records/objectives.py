"""What a search may look at: figures of a record, each with the direction that is better. None of the test set: whoever
chooses among networks by it has no test left. Imports no torch.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from experiments.records import jobs, status
from experiments.records.record import Record
from experiments.records.record import read as read_record
from experiments.system.format import percent, si
from pruning.arguments import did_you_mean


class Metric(NamedTuple):
    direction: Literal["maximize", "minimize"]
    read: Callable[[Record], float | None]
    show: Callable[[float], str]


def val_accuracy(record: Record) -> float | None:
    """Of the fine-tuned network; None where nothing was fine-tuned, or nothing held out."""
    tuned = [stage for stage in record.stages if stage.kind == "finetune"]
    return tuned[-1].val_accuracy if tuned else None


ONE = "1"  # image a batch
METRICS = {
    "val_accuracy": Metric("maximize", val_accuracy, percent),
    "macs": Metric("minimize", lambda record: record.tuned.macs, si),
    "params": Metric("minimize", lambda record: record.tuned.params, si),
    "bytes": Metric("minimize", lambda record: record.tuned.bytes, si),
    "latency_ms": Metric("minimize", lambda record: record.tuned.latency_ms.get(ONE), "{:.3g} ms".format),
    "macs_cut": Metric("maximize", lambda record: record.budget.got_macs, percent),
    "params_cut": Metric("maximize", lambda record: record.budget.got_params, percent),
}
OF_TEST_SET = ("accuracy", "accuracy_top5", "accuracy_by_class", "nll", "ece", "flips")


def refuse_unknown(path: str, name: str) -> None:
    """Raises ValueError for what is no metric: value, rule, remedy."""
    last = name.rpartition(".")[2].removeprefix("test_")
    if name not in METRICS and last in OF_TEST_SET:
        raise ValueError(
            f"{path}={name} is of the test set: what was chosen by it cannot be tested by it any more; take "
            "val_accuracy, of the images held out of training"
        )
    if name not in METRICS:
        known = ", ".join(METRICS)
        raise ValueError(f"{path} must be one of {known}, or several, got {name!r}{did_you_mean(name, METRICS)}")


def read(record: Record, names: Sequence[str]) -> list[float] | None:
    """In order; None where the record lacks one."""
    values = [METRICS[name].read(record) for name in names]
    return [float(value) for value in values if value is not None] if None not in values else None


def read_of_job(job_folder: Path, names: Sequence[str]) -> list[float] | None:
    """Of what a sweep's job has made; None unless it is complete."""
    job = jobs.read_job(job_folder)
    if job is None or job.run is None or job.state != status.COMPLETED:
        return None
    return read(read_record(jobs.results_folder(job_folder) / job.run / "record.json"), names)


def read_objective(job_folder: Path, metrics: str | Sequence[str]) -> float | list[float] | None:
    """As objective_metric= has it: one figure, or several; None where no record has them."""
    figures = read_of_job(job_folder, [metrics] if isinstance(metrics, str) else metrics)
    return figures[0] if figures and isinstance(metrics, str) else figures
