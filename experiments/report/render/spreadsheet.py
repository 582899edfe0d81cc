"""Every run as one line of CSV, with numbers as they are."""

import csv
import io

from experiments.report.analyse.configurations import Comparison, Configuration
from experiments.report.load.runs import Run
from experiments.report.load.text import csv_cell

HEAD = ("section", "method", "variant", "budget", "ratio", "seed")
TAIL = ("epochs", "objective", "device", "precision", "commit", "modified", "digest", "command")


def csv_table(sections: list[Comparison]) -> str:
    keys = list(dict.fromkeys(figure.key for comparison in sections for figure in comparison.figures))
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow((*HEAD, *keys, *TAIL))
    for comparison in sections:
        for configuration in comparison.configurations:
            for run in configuration.runs:
                rows.writerow(
                    [
                        *leading_cells(comparison, configuration, run),
                        *figure_cells(comparison, run, keys),
                        *trailing_cells(run),
                    ]
                )
    return file.getvalue()


def leading_cells(comparison: Comparison, configuration: Configuration, run: Run) -> list[str | float]:
    record = run.record
    texts = [csv_cell(text) for text in (comparison.title, record.method, configuration.curve, record.budget.of)]
    return [*texts, record.ratio, record.seed]


def figure_cells(comparison: Comparison, run: Run, keys: list[str]) -> list[float | str]:
    """Empty where a run has none."""
    values = {figure.key: figure.of(run) for figure in comparison.figures}
    return ["" if (value := values.get(key)) is None else value for key in keys]


def trailing_cells(run: Run) -> list[str | int]:
    record = run.record
    texts = [record.objective, record.device, record.precision, record.git_commit or "", " ".join(record.modified)]
    cells = [csv_cell(text) for text in (*texts, record.digest, record.command)]
    return [sum(stage.epochs for stage in run.stages if stage.name != "baseline"), *cells]
