"""table.json: what is left of one dense network after many cuts and repairs, without training; a row a cell. No torch.

A row has about 200 bytes and a line of its own; a figure is None where the cell could not be made, and `refused` says
why.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from experiments.records.record import load_checked
from experiments.system.redact import redact
from pruning.files import durable

SCHEMA = 1
FILE = "table.json"


@dataclass(frozen=True)
class Cell:
    """`repair`: none, or repairs in order, as "merge,ls"; `draw`: the seed of images and of random filters."""

    criterion: str
    allocation: str
    repair: str
    ratio: float
    draw: int

    def __str__(self) -> str:
        return f"{self.criterion} {self.allocation} {self.repair} {self.ratio:g} draw {self.draw}"


@dataclass(frozen=True)
class Measured:
    """Of a network on the test set; `nll` in nats, `flips`: the share of images answered unlike the dense one does."""

    macs: int
    params: int
    accuracy: float
    nll: float | None  # None: of logits that are not finite
    flips: float | None  # None where a loader shows the images in another order each time


@dataclass(frozen=True)
class Row(Cell):
    """`choice`: digest of what survives; `seconds`: of choosing, repairing and measuring, 0 where another row of the
    same network had been measured."""

    macs: int | None
    params: int | None
    accuracy: float | None
    nll: float | None
    flips: float | None
    seconds: float
    choice: str | None
    refused: str | None = None

    @property
    def cell(self) -> Cell:
        return Cell(self.criterion, self.allocation, self.repair, self.ratio, self.draw)


@dataclass(frozen=True)
class Table:
    """`base`: overrides of all cells; `budget`: of what the ratio is a share; `images`: that repairs look at."""

    schema: int
    digest: str
    model: str
    data: str
    budget: str
    images: int
    base: list[str]
    dense: Measured
    tested: int
    classes: int
    command: str
    git_commit: str | None
    versions: dict[str, str]
    device: str
    rows: list[Row]

    def find(self, cell: Cell) -> Row | None:
        return next((row for row in self.rows if row.cell == cell), None)

    def find_same(self, choice: str, repair: str, draw: int | None) -> Row | None:
        """A row of the same network; `draw`: None where the repair looks at no images."""
        same = (row for row in self.rows if row.choice == choice and row.repair == repair)
        return next((row for row in same if draw in (None, row.draw)), None)

    def add(self, row: Row) -> "Table":
        return replace(self, rows=[*self.rows, row])

    def overrides(self, cell: Cell) -> list[str]:
        """Of the full run that goes on with this cell."""
        allocation = [] if cell.allocation == "uniform" else [f"allocation={cell.allocation}"]
        chosen = [f"method={cell.criterion}", f"budget={self.budget}", *allocation, *repair_overrides(cell.repair)]
        return [*self.base, *chosen, f"ratio={cell.ratio:g}", f"seed={cell.draw}"]

    def write(self, path: Path) -> None:
        """Durably; a line a row."""
        values = redact(asdict(self))
        rows = [json.dumps(without_none(row), allow_nan=False) for row in values.pop("rows")]
        head = json.dumps(values, indent=1, allow_nan=False).removesuffix("\n}")
        durable.write(path, (head + ',\n "rows": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n").encode())


def repair_overrides(repair: str) -> list[str]:
    return [f"repair={repair}"] if "," not in repair else [f"repair.steps=[{repair}]"]


def without_none(row: dict[str, object]) -> dict[str, object]:
    return row if row["refused"] is not None else {name: value for name, value in row.items() if name != "refused"}


def read(path: Path) -> Table:
    """Raises ValueError, which names the file, for what is not a whole table."""
    return load_checked(Table, path, SCHEMA)
