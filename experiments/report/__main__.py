"""`python -m experiments.report outputs`: report.html from every record below the folders, tables and figures."""

import argparse
import sys
from pathlib import Path

from experiments.report import NAME
from experiments.report.collect import collect
from experiments.report.page import render
from experiments.report.words import shown
from pruning import durable


def main(arguments: list[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    try:
        found = collect(asked.folders)
    except FileNotFoundError as error:
        print(shown(str(error)), file=sys.stderr)
        return 1
    out = asked.out or asked.folders[0] / NAME
    out.parent.mkdir(parents=True, exist_ok=True)
    durable.write(out, render(found).encode())
    print(out)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m experiments.report", description=__doc__)
    made.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")], help="default: outputs")
    made.add_argument("--out", type=Path, help="the page; default: report.html in the first folder")
    return made


if __name__ == "__main__":
    sys.exit(main())
