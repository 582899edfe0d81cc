"""What the names of a page's rows mean, in the words of --help: the first comment of each choice's file."""

from collections.abc import Iterator

from experiments.config.choices import CONF, headline
from experiments.report.load.collect import Collected
from experiments.report.load.text import printable

KINDS = ("method", "allocation", "repair")


def explain_names(collected: Collected) -> dict[str, str]:
    """By kind and name. What is of the user's own, or no longer here, is left out."""
    used = {*names_of_runs(collected), *names_of_cells(collected)}
    found = {
        (kind, name): CONF / kind / f"{name}.yaml" for kind, name in sorted(used, key=place) if name.isidentifier()
    }
    return {f"{kind} {name}": printable(headline(path)) for (kind, name), path in found.items() if path.is_file()}


def names_of_runs(collected: Collected) -> Iterator[tuple[str, str]]:
    for record in (run.record for run in collected.runs):
        yield "method", record.method
        yield "allocation", record.budget.allocation or ""
        yield from (("repair", repair.name) for repair in record.repairs or ())


def names_of_cells(collected: Collected) -> Iterator[tuple[str, str]]:
    for row in (row for table in collected.tables for row in table.rows):
        yield "method", row.criterion
        yield "allocation", row.allocation
        yield from (("repair", step) for step in row.repair.split(",") if step != "none")


def place(used: tuple[str, str]) -> tuple[int, str]:
    kind, name = used
    return KINDS.index(kind), name
