"""Which dense network a run started from, as far as its record tells. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.records.record import Record


@dataclass(frozen=True)
class Baseline:
    """`digest`: of the stage that trained it, or of the file with its weights; older records do not have the file's."""

    name: str  # of a file its own, and the accuracy
    digest: str | None

    def same(self, other: "Baseline") -> bool:
        if self.digest and other.digest:
            return self.digest == other.digest
        return self.name == other.name

    def __str__(self) -> str:
        return f"{self.name}, {self.digest[:12]}" if self.digest else self.name


def baseline(record: Record) -> Baseline:
    trained = [stage.digest for stage in record.stages if stage.name == "baseline"]
    if trained:
        return Baseline("trained", trained[0])
    name = str(record.config.get("baseline")).replace("\\", "/").rpartition("/")[2]
    return Baseline(f"{name} with {100 * record.dense.accuracy:.4g} %", record.baseline_digest)


def all_same(bases: Iterable[Baseline]) -> bool:
    """Whether all are the same."""
    first, *others = bases
    return all(other.same(first) for other in others)
