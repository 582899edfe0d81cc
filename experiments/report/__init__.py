"""From records to what people read: a page, tables, figures. Imports no torch."""

from pathlib import Path

NAME = "report.html"


def write_report(folder: Path) -> Path:
    """The page over all runs below a folder. Raises FileNotFoundError where there is nothing to show."""
    from experiments.report.analyse.configurations import build_comparisons
    from experiments.report.load.collect import collect
    from experiments.report.render.page import render_page
    from pruning.files import durable

    collected = collect([folder])
    path = folder / NAME
    durable.write(path, render_page(collected, build_comparisons(collected.runs)).encode())
    return path
