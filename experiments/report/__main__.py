"""`python -m experiments.report outputs`: report.html from every record below the folders, tables and figures."""

import argparse
import sys
from pathlib import Path

from experiments.report import NAME
from experiments.report.load.collect import Collected, collect
from experiments.report.load.text import printable
from experiments.system.checkout import command_of
from pruning.files import durable


def main(arguments: list[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        collected = collect(options.folders)
    except OSError as error:
        return print_error(str(error))
    try:
        for path in write_files(options, page_path(options), collected):
            print(path)
    except OSError as error:
        return print_error(
            f"{page_path(options)} cannot be written: {error.strerror or error}; choose another place with --out"
        )
    for problem in collected.troubles:
        print(printable(f"{problem.state}: {problem.what}: {problem.reason}"), file=sys.stderr)
    return 0


def print_error(message: str) -> int:
    print(printable(message), file=sys.stderr)
    return 1


def page_path(options: argparse.Namespace) -> Path:
    """Where it goes: into a folder under its usual name, beside a record."""
    target: Path = options.out or options.folders[0]
    if target.is_dir():
        return target / NAME
    return target if options.out else target.with_name(NAME)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command_of("report"), description=__doc__)
    default = [Path("outputs")]
    parser.add_argument("folders", nargs="*", type=Path, default=default, help="or single records; default: outputs")
    parser.add_argument("--out", type=Path, help="the page, or a folder for it; default: the first folder")
    parser.add_argument("--markdown", action="store_true", help="also report.md: one row for each setting")
    parser.add_argument("--csv", action="store_true", help="also report.csv: one line for each run")
    parser.add_argument("--figures", action="store_true", help="also figures/: every chart as PNG and SVG")
    return parser


def write_files(options: argparse.Namespace, page: Path, collected: Collected) -> list[Path]:
    """The page, and whatever else was asked for beside it. What is slow to import is imported here."""
    from experiments.report import table
    from experiments.report.analyse.configurations import build_comparisons
    from experiments.report.render import figures, spreadsheet
    from experiments.report.render.page import render_page
    from experiments.report.render.table_section import csv_table, markdown_table

    durable.make_folder(page.parent)
    comparisons = build_comparisons(collected.runs)
    texts = {page: render_page(collected, comparisons)}
    if options.markdown:
        lines = [table.markdown_table(table.sort_rows(comparisons))] if comparisons or not collected.tables else []
        texts[page.with_suffix(".md")] = "\n\n".join([*lines, *map(markdown_table, collected.tables)]) + "\n"
    if options.csv and (comparisons or not collected.tables):
        texts[page.with_suffix(".csv")] = spreadsheet.csv_table(comparisons)
    if options.csv and collected.tables:
        texts[page.with_suffix(".cells.csv")] = csv_table(collected.tables)
    for path, text in texts.items():
        durable.write(path, text.encode())
    return [*texts, *(figures.write_figures(page.with_name("figures"), comparisons) if options.figures else [])]


if __name__ == "__main__":
    sys.exit(main())
