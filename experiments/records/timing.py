"""What `python -m experiments.measure` writes: times of networks, by turns in one process. Imports no torch."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from experiments.records.record import load_checked, write_json

SCHEMA = 1


@dataclass(frozen=True)
class Timed:
    """One network in one runtime at one batch size."""

    name: str
    runtime: str
    batch: int
    median_ms: float
    half_width: float  # of the median's 95 % interval, as a share of it
    over_first: float  # median of the rounds' ratios to the first network in this runtime at this batch size
    over_first_half_width: float  # of its 95 % interval, as a share of it
    rounds_ms: list[float]


@dataclass(frozen=True)
class Timings:
    machine: str
    threads: int
    clock: str  # "processor time" or "wall time"
    versions: dict[str, str]
    rows: list[Timed]
    left_in_float: dict[str, list[str]] = field(default_factory=dict)  # of int8 files: operators, by the file's name
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        write_json(path, asdict(self), allow_nan=False)


def read(path: Path) -> Timings:
    """Raises ValueError, which names the file, for what is not a whole one."""
    return load_checked(Timings, path, SCHEMA)
