"""One run as the report sees it, and every figure of it that a table or a chart may show."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool

from experiments.records.record import Network, Record, Stage
from experiments.report.load import grouping
from pruning.files import bitmap

LEARNING = ("prune", "finetune")
SCRATCH = ("scratch", "scratch_tune")
TEST_IMAGES = {"digits": 449, "cifar10": 10_000, "cifar100": 10_000}


@dataclass(frozen=True)
class Answers:
    """Of one network to its test set."""

    accuracy: float
    images: int | None  # None: nobody knows how many
    right: Bool[npt.NDArray[np.bool_], " images"] | None  # whether each was; older records did not keep it


@dataclass(frozen=True)
class Run:
    record: Record
    path: Path
    scratch: bool = False  # the control beside it: the pruned shape from fresh weights

    @cached_property
    def curve(self) -> str:
        return grouping.curve_key(self.record)

    @cached_property
    def repeated(self) -> str:
        return grouping.repetition_key(self.record)

    @property
    def final(self) -> Network:
        network = self.record.scratch if self.scratch else self.record.tuned
        assert network is not None
        return network

    @cached_property
    def answers(self) -> Answers:
        return load_answers(self.final, self.record.data)

    @cached_property
    def dense_answers(self) -> Answers:
        return load_answers(self.record.dense, self.record.data)

    @property
    def stages(self) -> list[Stage]:
        """What led to the final network."""
        return [stage for stage in self.record.stages if (stage.name in SCRATCH) == self.scratch]

    def cut(self, of: str) -> float:
        """Share of the dense network's macs, params or bytes that is gone."""
        return 1 - getattr(self.final, of) / getattr(self.record.dense, of)

    def time_cut(self, batch: str) -> float | None:
        before, after = self.record.dense.latency_ms.get(batch), self.final.latency_ms.get(batch)
        return None if before is None or after is None else 1 - after / before

    def batches(self) -> list[str]:
        return [batch for batch in self.record.dense.latency_ms if batch.isdecimal()]

    @property
    def spent(self) -> str:
        """Epochs of each stage after the dense network."""
        names = SCRATCH if self.scratch else LEARNING
        kinds = dict.fromkeys(stage.kind for stage in self.stages if stage.kind in names)
        return " + ".join(f"{self.epochs(kind)} {kind}" for kind in kinds)

    def epochs(self, stage: str) -> int:
        return sum(run_stage.epochs for run_stage in self.stages if run_stage.kind == stage)


def load_answers(network: Network, data: str) -> Answers:
    """Of an older record to as many images as its data set is known to have."""
    if network.answers is None or network.tested is None:
        return Answers(network.accuracy, network.tested or TEST_IMAGES.get(data), None)
    return Answers(network.accuracy, network.tested, bitmap.decode(network.answers, 1, network.tested)[0])


class Figure(NamedTuple):
    """A column, and where `rising` says which end is better also an axis."""

    key: str
    title: str
    unit: str  # share | cut | points | nats | ratio | seconds | macs | count | ms | tiny
    of: Callable[[Run], float | None]
    rising: bool | None = None

    @property
    def timed(self) -> bool:
        """Depends on the device."""
        return self.key.startswith("time_")


ANSWERS = [
    Figure("flips", "flips", "cut", lambda run: run.final.flips),
    Figure("nll", "nll", "nats", lambda run: run.final.nll),
    Figure("ece", "ece", "cut", lambda run: run.final.ece),
]


def figures(batches: list[str], repaired: bool = False, answers: bool = False) -> list[Figure]:
    """`batches`: the batch sizes at which networks were timed, smallest first; `repaired`: whether any was; `answers`:
    whether any record says more of them than how many were right."""
    columns = [
        Figure("dense", "dense", "share", lambda run: run.record.dense.accuracy),
        Figure("pruned", "pruned", "share", lambda run: None if run.scratch else run.record.pruned.accuracy),
        *([Figure("repaired", "repaired", "share", repaired_accuracy)] if repaired else []),
        Figure("tuned", "fine-tuned", "share", lambda run: run.final.accuracy),
        Figure("change", "change", "points", lambda run: run.final.accuracy - run.record.dense.accuracy),
        *(ANSWERS if answers else []),
        Figure("macs_cut", "MACs cut", "cut", lambda run: run.cut("macs"), True),
        Figure("params_cut", "params cut", "cut", lambda run: run.cut("params"), True),
        Figure("bytes_cut", "bytes cut", "cut", lambda run: run.cut("bytes"), True),
    ]
    columns += [latency_figure(batch) for batch in batches]
    columns += [
        Figure("macs", "MACs", "macs", lambda run: float(run.final.macs)),
        Figure("params", "parameters", "count", lambda run: float(run.final.params)),
        Figure("bytes", "bytes", "count", lambda run: float(run.final.bytes)),
        *(milliseconds_figure(batch) for batch in batches),
    ]
    if batches:
        columns.append(
            Figure("time_per_macs", "time cut / MACs cut", "ratio", lambda run: time_per_macs(run, batches[-1]))
        )
    return [
        *columns,
        Figure("certificate", "certificate", "tiny", lambda run: run.record.certificate),
        Figure(
            "train_macs",
            "training cost",
            "macs",
            lambda run: float(sum(stage.train_macs for stage in run.stages)),
            False,
        ),
        Figure("seconds", "training time", "seconds", lambda run: sum(stage.seconds for stage in run.stages)),
    ]


def repaired_accuracy(run: Run) -> float | None:
    return None if run.scratch or run.record.repaired is None else run.record.repaired.accuracy


def latency_figure(batch: str) -> Figure:
    return Figure(f"time_cut_{batch}", f"time cut, batch {batch}", "cut", lambda run: run.time_cut(batch), True)


def milliseconds_figure(batch: str) -> Figure:
    """Its key begins as all do that depend on the device."""
    return Figure(f"time_ms_{batch}", f"time, batch {batch}", "ms", lambda run: run.final.latency_ms.get(batch))


def time_per_macs(run: Run, batch: str) -> float | None:
    """1: time falls as much as MACs do."""
    time, macs = run.time_cut(batch), run.cut("macs")
    return None if time is None or macs < 0.001 else time / macs
