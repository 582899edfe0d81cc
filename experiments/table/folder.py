"""Where a table lies, and whether it is the one that was begun: its digest is of all that a row depends on."""

from dataclasses import replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from experiments.config.digest import digest, libraries
from experiments.config.modified import override_key
from experiments.config.node import Node, plain
from experiments.config.typed_overrides import command, unresolved
from experiments.records import cells as records
from experiments.records.cells import Measured, Table
from experiments.records.json_value import JSON
from experiments.run.context import RunContext
from experiments.system import checkout, hardware
from experiments.system.console import log
from experiments.system.format import safe_file_name
from experiments.system.redact import redact
from experiments.table.choices import site_arguments

# Of the cell itself, or of the table; what else is typed belongs to every cell's command
OWN = ("program", "plan", "sensitivity", "table", "method", "allocation", "budget", "repair", "ratio", "seed", "name")


def table_digest(context: RunContext) -> str:
    """Not of the lists of cells: a table may be widened, and keeps its rows."""
    settings = context.settings
    counted = {name: without_own(getattr(settings, name)) for name in ("data", "model", "budget")}
    sites = {**site_arguments(settings), "budget": None}  # it has one, whatever it is
    images = settings.repair.images, settings.observe.images
    content = {"images": images, "data": context.data.identity, "baseline": context.baseline_digest}
    return digest("table", {**counted, "method": sites}, **content)


def without_own(node: Node) -> dict[str, JSON]:
    """Without what a cell says itself."""
    return {name: value for name, value in plain(node).items() if name not in ("seed", "ratio", "allocation")}


def table_folder(context: RunContext) -> Path:
    choice = context.settings.choice
    name = safe_file_name(redact(f"table-{choice.model}-{choice.data}"))
    return Path(context.settings.folder) / f"{name}-{table_digest(context)[:8]}"


def open_table(context: RunContext, folder: Path, dense: Measured) -> Table:
    """The rows that were made before; none where the file is damaged, or store=false."""
    path, table = folder / records.FILE, new_table(context, dense)
    if not (context.settings.store and path.exists()):
        return table
    try:
        found = records.read(path)
    except ValueError as error:
        log(f"{error}: making it again", "yellow")
        return table
    return replace(table, rows=found.rows)


def new_table(context: RunContext, dense: Measured) -> Table:
    settings, choice = context.settings, context.settings.choice
    return Table(
        schema=records.SCHEMA,
        digest=table_digest(context),
        model=choice.model,
        data=choice.data,
        budget=choice.budget,
        images=settings.repair.images,
        base=[*base_overrides(), "program=experiment"],
        dense=dense,
        tested=context.data.sizes["test"],
        classes=len(context.data.classes),
        command=command(),
        git_commit=checkout.commit(),
        versions=hardware.versions(context.device) | libraries(plain(settings)),
        device=hardware.describe(context.device),
        rows=[],
    )


def base_overrides() -> list[str]:
    """What was typed that no cell says itself; of method= the choice goes, its values stay."""
    typed = unresolved(HydraConfig.get().overrides.task)
    return [override for override in typed if not names_cell(override_key(override))]


def names_cell(key: str) -> bool:
    group, _, inner = key.partition(".")
    return group in OWN and (not inner or (group in ("table", "repair") and inner != "images"))
