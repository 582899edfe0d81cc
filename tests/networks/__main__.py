"""`python -m tests.networks`: prove every network of the list, Torch-Pruning beside, and write docs/networks.md.

What was proved of the same sources is not proved again: the command may be stopped and continues.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads; processes side by side are faster than threads

from experiments.system.checkout import ROOT
from tests.networks.page import write
from tests.networks.peer import compare
from tests.networks.prove import prove
from tests.networks.rows import Rows, digest
from tests.networks.zoo import Entry, entries

HERE, FOLDER = Path(__file__).parent, ROOT / "outputs" / "networks"
BUILT_BY = (HERE / "zoo.py", ROOT / "pruning" / "testing" / "equality.py", ROOT / "pruning" / "models")
PROVED_BY = [ROOT / "pruning" / room for room in ("graph", "surgery", "methods", "budget", "selection.py")]


def made_by(*sources: Path) -> Callable[[Entry], str]:
    plain, written_here = digest([*BUILT_BY, *sources]), digest([*BUILT_BY, HERE / "wirings", *sources])
    return lambda entry: written_here if entry.library == "wirings" else plain


def ours() -> Rows:
    return Rows(FOLDER / "ours.jsonl", made_by(HERE / "prove.py", *PROVED_BY))


def theirs() -> Rows:
    return Rows(FOLDER / "peer.jsonl", made_by(HERE / "peer.py", ROOT / "experiments" / "benchmarks" / "peer_mask.py"))


def chosen(options: argparse.Namespace) -> list[Entry]:
    failed = {key for key, row in ours().read().items() if row["stage"] != "done"}
    return [
        entry
        for entry in entries()
        if any(fnmatch.fnmatchcase(entry.key, pattern) for pattern in options.only)
        and (entry.key in failed or not options.failed)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.networks", description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="of kind/name")
    parser.add_argument("--failed", action="store_true", help="only those that failed when last tried")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of libraries, about themselves
    for rows, work in ((ours(), prove), (theirs(), compare)):
        for entry in rows.make(work, chosen(options), options.jobs):
            print(entry.key, rows.read()[entry.key], flush=True)
    if not ours().missing(entries()):
        write(ROOT / "docs" / "networks.md", ours().read(), theirs().read())


if __name__ == "__main__":
    main()
