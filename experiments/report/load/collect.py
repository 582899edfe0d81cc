"""From folders to runs; and everything that is no whole, sound run, with its reason, so that nothing is dropped."""

import json
import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from experiments.records import cells, jobs, status
from experiments.records.json_value import JSON
from experiments.records.record import read
from experiments.report.load.record_checks import check_record
from experiments.report.load.runs import Run
from experiments.system.checkout import command

SKIPPED = {"store", "wandb", "network", "benchmarks", "sweep"}  # folders that hold no records of runs
NO_RECORDS = {cells.FILE, "status.json", "stage.json", "sensitivity.json", "report.json"}


@dataclass(frozen=True)
class Problem:
    """What was found and is no row: shown with its reason."""

    what: str  # the run's name or the file
    state: str  # FAILED, PREEMPTED, RUNNING as the run wrote it; or unreadable, unsound, set aside
    reason: str
    command: str = ""
    log: str = ""


@dataclass(frozen=True)
class Collected:
    runs: list[Run]
    troubles: list[Problem]
    tables: list[cells.Table] = field(default_factory=list)  # of program=table


def collect(folders: Iterable[Path]) -> Collected:
    """Of folders and single records. Raises FileNotFoundError for what is not there or holds nothing to show."""
    folders = list(folders)
    for folder in folders:
        if not folder.exists():
            raise FileNotFoundError(
                f"{folder} does not exist: name the folder that holds the runs, or start one with `{command()}`"
            )
    paths = [path for folder in folders for path in find_record_files(folder)]
    runs, troubles = load_runs(path for path in paths if path.name != cells.FILE)
    tables, unreadable = load_tables(path for folder in folders for path in find_tables(folder))
    troubles += unreadable
    newest, duplicates = select_newest(runs)
    troubles += duplicates + [problem for folder in folders for problem in find_unfinished(folder)]
    if not newest and not troubles and not tables:
        raise FileNotFoundError(
            f"no record in {', '.join(map(str, folders))}: a run writes record.json into its folder; "
            f"start one with `{command()}`, or name the folder that holds outputs"
        )
    scratch = [Run(run.record, run.path, scratch=True) for run in newest if run.record.scratch is not None]
    return Collected(newest + scratch, troubles, tables)


def walk_files(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        yield from (Path(path) / name for name in sorted(names))


def find_record_files(folder: Path) -> list[Path]:
    """Files that are records by name or by place: any JSON file where none is named record.json."""
    if folder.is_file():
        return [folder]
    paths = [path for path in walk_files(folder) if path.suffix == ".json" and path.name not in NO_RECORDS]
    return [path for path in paths if path.name == "record.json" or not (path.parent / "record.json").exists()]


def find_tables(folder: Path) -> list[Path]:
    files = [folder] if folder.is_file() else walk_files(folder)
    return [path for path in files if path.name == cells.FILE]


def load_tables(paths: Iterable[Path]) -> tuple[list[cells.Table], list[Problem]]:
    """Each once; of copies the one with most rows."""
    tables: dict[str, cells.Table] = {}
    troubles = []
    for path in paths:
        try:
            table = cells.read(path)
        except (ValueError, OSError, RecursionError) as error:
            troubles.append(Problem(str(path), "unreadable", str(error).removeprefix(f"{path} ")))
            continue
        tables[table.digest] = max(table, tables.get(table.digest, table), key=lambda table: len(table.rows))
    return list(tables.values()), troubles


def find_status_files(folder: Path) -> list[Path]:
    return [path for path in walk_files(folder) if path.name == "status.json"]


def load_runs(paths: Iterable[Path]) -> tuple[list[Run], list[Problem]]:
    runs: dict[str, Run] = {}
    troubles = []
    for path in paths:
        try:
            record = check_record(read(path))
        except (ValueError, OSError, RecursionError) as error:
            if path.name == "record.json" or not read_object(path) or "schema" in read_object(path):
                troubles.append(Problem(str(path), "unreadable", str(error).removeprefix(f"{path} ")))
        else:
            runs.setdefault(record.digest, Run(record, path))
    return list(runs.values()), troubles


def read_object(path: Path) -> dict[str, JSON]:
    """A JSON object; empty for anything else."""
    try:
        values = json.loads(path.read_text())
    except (ValueError, OSError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def select_newest(runs: list[Run]) -> tuple[list[Run], list[Problem]]:
    """The newest record of each setting and seed: two of them are not two samples."""
    newest: dict[tuple[str, int], Run] = {}
    for run in sorted(runs, key=lambda run: (run.path.stat().st_mtime, str(run.path))):
        newest[run.repeated, run.record.seed] = run
    selected = [run for run in runs if newest[run.repeated, run.record.seed] is run]
    duplicates = [run for run in runs if newest[run.repeated, run.record.seed] is not run]
    return selected, [duplicate_problem(run, newest[run.repeated, run.record.seed]) for run in duplicates]


def duplicate_problem(run: Run, newer: Run) -> Problem:
    reason = f"same setting and seed as {newer.path}, which is newer"
    return Problem(str(run.path), "set aside", reason, run.record.command)


def find_unfinished(folder: Path) -> list[Problem]:
    """Jobs of sweeps that did not end well, with their logs; then runs by their own status, each once."""
    failed: list[jobs.Job] = []
    broken: list[Problem] = []
    for sweep in jobs.sweep_folders(folder):
        try:
            failed += [job for job in jobs.read_jobs(sweep) if job.state != status.COMPLETED]
        except (ValueError, OSError) as error:
            broken.append(Problem(str(sweep), "unreadable", str(error)))
    names = {job.run for job in failed}
    paths = [path for path in find_status_files(folder) if path.parent.name not in names]
    runs = [problem for path in paths for problem in status_problems(path)]
    return broken + [job_problem(folder, job) for job in failed] + runs


def job_problem(folder: Path, job: jobs.Job) -> Problem:
    typed = job.command or f"{command()} {shlex.join(job.overrides)}"
    reason = job.reason or REASONS.get(job.state, "no reason was written")
    return Problem(" ".join(job.overrides), job.state, reason, typed, str(folder / job.log) if job.log else "")


def status_problems(path: Path) -> list[Problem]:
    """What a run's status says, unless it is that all went well and the record is there."""
    try:
        run = status.read(path.parent)
    except (ValueError, OSError, RecursionError) as error:
        return [Problem(path.parent.name, "unreadable", str(error))]
    if run is None or (run.state == status.COMPLETED and (path.parent / "record.json").exists()):
        return []
    reason = run.reason or REASONS.get(run.state, "no reason was written")
    return [Problem(run.name, run.state, reason, run.command)]


REASONS = {
    jobs.WAITING: "not begun",
    status.RUNNING: "still at work",
    status.PREEMPTED: "stopped from outside; the same command does what is left",
    status.COMPLETED: "it says so, but there is no record",
}
