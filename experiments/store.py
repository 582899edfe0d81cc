"""`python -m experiments.store FOLDER...`: what lies in the store of finished stages, and what no run needs any more.

Needed is what a record below the folders names. Where runs there are not finished, or a table or a scan of the dense
network lies there, what no record names may be theirs: it is kept. Imports no torch.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from experiments.records import cells, status
from experiments.records.record import load_json
from experiments.system.checkout import command_of
from experiments.system.console import console, log
from experiments.system.format import si

STORE, STAGE, RECORD = "store", "stage.json", "record.json"
LOOKED = (cells.FILE, "sensitivity.json")  # of programs that start from a stored stage, and keep no record of it
SHOWN = 10  # of a long list


@dataclass(frozen=True)
class Stored:
    """A stage's folder; `kind`: baseline, prune, finetune, ...; `digest`: the first 16 digits."""

    folder: Path
    finished: bool
    bytes: int

    @property
    def kind(self) -> str:
        return self.folder.name.rpartition("-")[0]

    @property
    def digest(self) -> str:
        return self.folder.name.rpartition("-")[2]


@dataclass(frozen=True)
class Use:
    """What is known of the runs below the folders."""

    digests: frozenset[str]  # that records name
    claims: tuple[Path, ...]  # folders of what may need stages that no record names
    running: tuple[Path, ...]

    def needs(self, stored: Stored) -> bool:
        return stored.digest in self.digests


def main(arguments: list[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        stages = [stored for store in find_stores(options.folders, options.store) for stored in read_store(store)]
        use = read_use(options.folders)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    unneeded = [stored for stored in stages if not use.needs(stored)]
    show(stages, unneeded)
    if not unneeded:
        log("every stage is needed by a record")
        return 0
    if refusal := why_kept(use):
        log(refusal, "yellow")
        return 1 if options.remove else 0
    if options.remove:
        remove(unneeded)
    else:
        log(f"no record needs {describe(unneeded)}: --remove removes them")
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command_of("store"), description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")], help="of runs; default: outputs")
    parser.add_argument("--store", type=Path, help="a store that they share (store_folder=); default: theirs")
    parser.add_argument("--remove", action="store_true", help="remove what no record needs")
    return parser


def find_stores(folders: Sequence[Path], shared: Path | None) -> list[Path]:
    """Raises FileNotFoundError where there is none."""
    stores = [shared] if shared else [path for folder in folders for path in walk(folder) if path.name == STORE]
    missing = [path for path in (*folders, *stores) if not path.is_dir()]
    if missing or not stores:
        where = missing[0] if missing else " ".join(map(str, folders))
        raise FileNotFoundError(f"no store in {where}: name the folder that holds runs and their store, as folder= did")
    return stores


def walk(folder: Path) -> Iterator[Path]:
    """The folder and all below it, but for what lies in a store."""
    for path, folders, _ in os.walk(folder):
        yield Path(path)
        if Path(path).name == STORE:
            folders.clear()


def read_store(store: Path) -> list[Stored]:
    return [
        Stored(path, (path / STAGE).exists(), size_of(path))
        for path in sorted(store.iterdir())
        if path.is_dir() and "-" in path.name
    ]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what is removed meanwhile counts nothing."""
    if not path.is_dir():
        return file_size(path)
    return sum(file_size(Path(below, name)) for below, _, names in os.walk(path) for name in names)


def file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def read_use(folders: Iterable[Path]) -> Use:
    """Raises ValueError for a record that cannot be read: what it needs is not known."""
    digests, claims, running = set[str](), list[Path](), list[Path]()
    for folder in (path for start in folders for path in walk(start) if path.name != STORE):
        if (folder / RECORD).exists():
            digests |= digests_of(load_json(folder / RECORD))
        state = status.read(folder)
        if (state and state.state != status.COMPLETED) or any((folder / name).exists() for name in LOOKED):
            claims.append(folder)
        if state and state.state == status.RUNNING:
            running.append(folder)
    return Use(frozenset(digests), tuple(claims), tuple(running))


def digests_of(record: dict[str, list[dict[str, str]]]) -> set[str]:
    """Of the stages that a record names, as the store's folders have them."""
    return {stage["digest"][:16] for stage in record.get("stages", []) if stage.get("digest")}


def why_kept(use: Use) -> str | None:
    """What no record names may be theirs."""
    if not use.claims:
        return None
    names = ", ".join(str(path) for path in use.claims[:SHOWN])
    more = f" and {len(use.claims) - SHOWN} more" if len(use.claims) > SHOWN else ""
    kind = "still run" if use.running else "are not finished, or looked at the dense network alone"
    return f"nothing is removed: these {kind} and may need what no record names; finish or delete them: {names}{more}"


def show(stages: Sequence[Stored], unneeded: Sequence[Stored]) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stages")
    for name in ("stored", "half done", "size", "of no record", "their size"):
        table.add_column(name, justify="right")
    for kind in sorted({stored.kind for stored in stages}):
        these, idle = ([stored for stored in group if stored.kind == kind] for group in (stages, unneeded))
        half = sum(not stored.finished for stored in these)
        table.add_row(kind, str(len(these)), str(half or ""), size(these), str(len(idle) or ""), size(idle))
    console.print(table)


def size(stages: Iterable[Stored]) -> str:
    total = sum(stored.bytes for stored in stages)
    return f"{si(total)}B" if total else ""


def describe_folder(folder: Path) -> str:
    """Of a sweep's folder, and what its store has of it."""
    sizes = {path.name: size_of(path) for path in folder.iterdir()}
    whole, stored = si(sum(sizes.values())), si(sizes.get(STORE, 0))
    return f"{whole}B, {stored}B of it in the store: `{command_of(STORE)} {folder}` says what may go"


def describe(stages: Sequence[Stored]) -> str:
    return f"{len(stages)} stage{'s' if len(stages) > 1 else ''} ({size(stages)})"


def remove(stages: Sequence[Stored]) -> None:
    for stored in stages:
        shutil.rmtree(stored.folder)
    log(f"removed {describe(stages)}", "green")


if __name__ == "__main__":
    sys.exit(main())
