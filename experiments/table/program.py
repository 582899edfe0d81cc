"""program=table: cut, repair and measure one dense network in many ways; a row as soon as it is known."""

from itertools import groupby
from pathlib import Path

from torch import nn

from experiments.config.refusal import refusals
from experiments.config.schema import Settings
from experiments.records import cells as records
from experiments.run.context import RunContext
from experiments.run.failures import running
from experiments.run.prepare import prepare
from experiments.run.stages import train_baseline
from experiments.system import preemption
from experiments.system.activity import activity
from experiments.system.locks import hold_lock
from experiments.table.cells import list_cells
from experiments.table.choices import refuse_unfit
from experiments.table.draws import Draw
from experiments.table.folder import open_table, table_folder
from experiments.table.measure import answer, measure_cell
from experiments.table.summary import Progress, show
from experiments.trainer import ranks
from pruning.graph.graph import trace


def run(settings: Settings) -> Path | None:
    """The folder that holds table.json; None in a further process of the same run."""
    with refusals():
        context = prepare(settings)
        refuse_unfit(context)
    with running(context):
        dense = train_baseline(context)
        if not ranks.end_group():
            return None
        folder = table_folder(context)
        with hold_lock(folder):
            preemption.request.can_resume = (folder / records.FILE).exists
            fill_table(context, dense.network.to(context.device).eval(), folder)
        return folder


def fill_table(context: RunContext, dense: nn.Module, folder: Path) -> None:
    """Row by row: whatever ends the process, the rows before it are kept."""
    cells, answers = list_cells(context.settings.table), answer(context, dense)
    table = open_table(context, folder, measure_cell(context, dense, answers))
    todo = [cell for cell in cells if table.find(cell) is None]
    activity.begin("cutting, repairing and measuring")
    progress, graph = Progress(len(cells), len(todo)), trace(dense, context.image_shape)
    for seed, of_draw in groupby(todo, lambda cell: cell.draw):
        draw = Draw(context, dense, graph, answers, seed)
        for cell in of_draw:
            row = draw.make_row(cell, table)
            table = table.add(row)
            table.write(folder / records.FILE)
            progress.advance(row)
    activity.end()
    show(table, cells, folder)
