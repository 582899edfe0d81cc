"""Rows as lines of JSON, each made in a process of its own, in limits; what is there already is not made again."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from experiments.system.checkout import commit
from tests.networks.zoo import Entry

SECONDS, GIGABYTES = 300, 9  # of a processor: others may be at work on this machine
Row = dict[str, Any]


def digest(paths: Iterable[Path]) -> str:
    """Of the sources that a row is made by: folders with all that is in them, and files."""
    files = sorted({file for path in paths for file in (path.rglob("*.py") if path.is_dir() else (path,))})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


class Rows:
    """A file of rows; of each network the last one counts.

    `made_by`: the digest of all that makes the row of a network.
    """

    def __init__(self, path: Path, made_by: Callable[[Entry], str]) -> None:
        self.path, self.made_by, self.commit = path, made_by, commit()

    def read(self) -> dict[str, Row]:
        """By key, whatever they were made by."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return {row["key"]: row for row in map(json.loads, lines)}

    def missing(self, wanted: Iterable[Entry]) -> list[Entry]:
        made_by = {key: row["made_by"] for key, row in self.read().items()}
        return [entry for entry in wanted if made_by.get(entry.key) != self.made_by(entry)]

    def add(self, entry: Entry, row: Row) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            head = {"key": entry.key, "made_by": self.made_by(entry), "commit": self.commit}
            file.write(json.dumps(head | row) + "\n")

    def make(self, work: Callable[[Entry], Row], wanted: Iterable[Entry], jobs: int) -> Iterator[Entry]:
        """Each missing row in a process of its own, `jobs` at a time; yields what is being waited for no longer."""
        todo, running = self.missing(wanted), dict[int, tuple[BaseProcess, Entry]]()
        while todo or running:
            while todo and len(running) < jobs:
                process = multiprocessing.get_context("fork").Process(target=self.make_one, args=(work, todo[0]))
                process.start()
                running[process.sentinel] = (process, todo.pop(0))
            for sentinel in wait(list(running)):
                process, entry = running.pop(sentinel)  # type: ignore[arg-type]
                process.join()
                if process.exitcode:
                    self.add(entry, {"stage": "build", "words": f"the process ended with {process.exitcode}"})
                yield entry

    def make_one(self, work: Callable[[Entry], Row], entry: Entry) -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (GIGABYTES * 2**30,) * 2)
        signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        self.add(entry, work(entry))


def stop(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"longer than {SECONDS} seconds of a processor")
