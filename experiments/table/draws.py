"""The cells of one draw: the images and the lots that its seed stands for, as a run of that seed has them."""

import copy
import time
from dataclasses import asdict, replace

from jaxtyping import Float
from torch import Tensor, nn

from experiments.evaluate.answers import Answers
from experiments.records.cells import Cell, Measured, Row, Table
from experiments.run.context import RunContext
from experiments.run.repair import calibration_images
from experiments.table.choices import Choices, digest_choice
from experiments.table.measure import measure_cell
from pruning.graph.graph import Graph
from pruning.graph.liveness import Liveness
from pruning.repair.names import needs_images, repair_names
from pruning.repair.registry import repair_network


class Draw:
    """`dense`: plain and in eval; `answers`: its own to the test set."""

    def __init__(self, context: RunContext, dense: nn.Module, graph: Graph, answers: Answers, seed: int) -> None:
        self.context, self.dense, self.answers, self.seed = seeded(context, seed), dense, answers, seed
        self.choices = Choices(self.context, dense, graph)
        self.images: Float[Tensor, "images ..."] | None = None

    def make_row(self, cell: Cell, table: Table) -> Row:
        """`table`: of the rows made so far, which may hold the same network."""
        start = time.monotonic()
        try:
            after = self.choices.choose(cell)
        except ValueError as error:
            return refused_row(cell, str(error))
        choice = digest_choice(after.selection)
        same = table.find_same(choice, cell.repair, cell.draw if self.needs_images(cell) else None)
        if same is not None:
            return replace(same, **asdict(cell), seconds=0.0)
        measured = measure_cell(self.context, self.repair(after, cell), self.answers)
        return measured_row(cell, measured, time.monotonic() - start, choice)

    def needs_images(self, cell: Cell) -> bool:
        return needs_images(repair_names(cell.repair))

    def repair(self, after: Liveness, cell: Cell) -> nn.Module:
        if self.images is None and self.needs_images(cell):
            self.images = calibration_images(self.context).to(self.context.device)
        return repair_network(self.dense, after, repair_names(cell.repair), self.images)[0]


def seeded(context: RunContext, seed: int) -> RunContext:
    """What a run of this seed would have; the images stay in memory once."""
    data = copy.copy(context.data)
    data.seed = seed  # type: ignore[attr-defined] # of all data there is
    return replace(context, data=data, settings=replace(context.settings, seed=seed))


def measured_row(cell: Cell, measured: Measured, seconds: float, choice: str) -> Row:
    return Row(**asdict(cell), **asdict(measured), seconds=round(seconds, 2), choice=choice)


def refused_row(cell: Cell, reason: str) -> Row:
    nothing = dict.fromkeys(("macs", "params", "accuracy", "nll", "flips", "choice"))
    return Row(**asdict(cell), **nothing, seconds=0.0, refused=" ".join(reason.split()))  # type: ignore[arg-type]
