"""`python -m experiments.report outputs`: report.html from every record below the folders, tables and figures."""

import argparse
import sys
from pathlib import Path

from experiments.report import NAME
from experiments.report.load.collect import Collected, collect
from experiments.report.load.text import printable
from pruning.files import durable


def main(arguments: list[str] | None = None) -> int:
    asked = build_parser().parse_args(arguments)
    try:
        found = collect(asked.folders)
    except OSError as error:
        return print_error(str(error))
    try:
        for path in write_files(asked, page_path(asked), found):
            print(path)
    except OSError as error:
        return print_error(
            f"{page_path(asked)} cannot be written: {error.strerror or error}; choose another place with --out"
        )
    for each in found.troubles:
        print(printable(f"{each.state}: {each.what}: {each.reason}"), file=sys.stderr)
    return 0


def print_error(words: str) -> int:
    print(printable(words), file=sys.stderr)
    return 1


def page_path(asked: argparse.Namespace) -> Path:
    """Where it goes: into a folder under its usual name, beside a record."""
    place: Path = asked.out or asked.folders[0]
    if place.is_dir():
        return place / NAME
    return place if asked.out else place.with_name(NAME)


def build_parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m experiments.report", description=__doc__)
    default = [Path("outputs")]
    made.add_argument("folders", nargs="*", type=Path, default=default, help="or single records; default: outputs")
    made.add_argument("--out", type=Path, help="the page, or a folder for it; default: the first folder")
    made.add_argument("--markdown", action="store_true", help="also report.md: one row for each setting")
    made.add_argument("--csv", action="store_true", help="also report.csv: one line for each run")
    made.add_argument("--figures", action="store_true", help="also figures/: every chart as PNG and SVG")
    return made


def write_files(asked: argparse.Namespace, page: Path, found: Collected) -> list[Path]:
    """The page, and whatever else was asked for beside it. What is slow to import is imported here."""
    from experiments.report import table
    from experiments.report.analyse.configurations import build_comparisons
    from experiments.report.render import figures, spreadsheet
    from experiments.report.render.page import render_page

    durable.make_folder(page.parent)
    made = build_comparisons(found.runs)
    texts = {page: render_page(found, made)}
    if asked.markdown:
        texts[page.with_suffix(".md")] = table.markdown_table(table.sort_rows(made)) + "\n"
    if asked.csv:
        texts[page.with_suffix(".csv")] = spreadsheet.csv_table(made)
    for path, text in texts.items():
        durable.write(path, text.encode())
    return [*texts, *(figures.write_figures(page.with_name("figures"), made) if asked.figures else [])]


if __name__ == "__main__":
    sys.exit(main())
