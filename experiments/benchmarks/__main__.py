"""All speed claims by one command: `python -m experiments.benchmarks`. A table, a JSON record each, docs/speed.md.

A benchmark whose record is of this commit and this machine is not run again (`--again` does). Each runs in a process of
its own, one after the other; leave the machine alone meanwhile.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from experiments.benchmarks.speed_page import PAGE, write_table
from experiments.system import checkout
from experiments.system.checkout import ROOT
from experiments.system.console import log

FOLDER = ROOT / "experiments" / "results" / "benchmarks"
PROGRAMS = (
    "fcf_update",
    "scoring",
    "criteria",
    "growth",
    "compaction",
    "peer",
    "callback",
    "faults",
    "training",
    "pruned",
)


def main(arguments: list[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    failed = [name for name in options.names or PROGRAMS if not run_program(name, options)]
    records = [json.loads(path.read_text()) for name in PROGRAMS if (path := options.folder / f"{name}.json").exists()]
    for record in records:
        for aim in record.get("aims", []):
            log(format_aim(aim))
    if options.folder == FOLDER:
        log(f"{PAGE.name}: {write_table(FOLDER / 'pruned.json')}")
    for name in failed:
        log(f"{name} failed: python -m experiments.benchmarks.{name}")
    return 1 if failed else 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PROGRAMS)}; all by default")
    parser.add_argument("--again", action="store_true", help="run also what has a record of this commit")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the records")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1)
    return parser


def run_program(name: str, options: argparse.Namespace) -> bool:
    """A record of this commit, made now or before."""
    path = options.folder / f"{name}.json"
    if not options.again and is_current(path):
        log(f"{name}: kept, {path} is of this commit")
        return True
    start = time.monotonic()
    device = ["--device", options.device] if name in ("training", "pruned") else []
    command = [sys.executable, "-m", f"experiments.benchmarks.{name}", "--threads", str(options.threads)]
    process = subprocess.run([*command, "--out", str(path), *device], cwd=ROOT)
    log(f"{name}: {time.monotonic() - start:.0f} s")
    return process.returncode == 0


def is_current(path: Path) -> bool:
    """The records lie in the repository, so what is not committed (+) cannot count; there is `--again`."""
    now = (checkout.commit() or "").rstrip("+")
    return bool(now) and path.exists() and json.loads(path.read_text())["commit"].rstrip("+") == now


def format_aim(aim: Mapping[str, object]) -> str:
    sign = ">=" if aim["rule"] == "least" else "<="
    return f"{'met   ' if aim['met'] else 'MISSED'}  {aim['what']}: {aim['got']:.3g} ({sign} {aim['wanted']:g})"


if __name__ == "__main__":
    sys.exit(main())
