"""What a budget of time has found, kept on disk: a run that goes on, or is asked for again, has the same network."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

from experiments.records.record import load_json
from experiments.system import hardware
from experiments.system.activity import activity
from experiments.system.console import log
from experiments.system.format import percent
from pruning.deploy.latency import Candidate, Latency, Met, SearchesInMemory
from pruning.deploy.stopwatch import Paired
from pruning.files import durable
from pruning.methods.base import PruningMethod
from pruning.timing import Ratio

FileOfPair = tuple[float, tuple[float, float]]


class FileOfSearch(TypedDict):
    counts: dict[str, int]
    paired: FileOfPair
    candidates: list[tuple[int, float, FileOfPair]]


class StoredSearches:
    """As `pruning.deploy.latency.SearchStore`: in files, and in memory once read."""

    def __init__(self, folder: Path, reuse: bool) -> None:
        self.folder, self.reuse, self.memory = folder, reuse, SearchesInMemory()

    def recall(self, digest: str, search: Callable[[], Met]) -> Met:
        return self.memory.recall(digest, lambda: self.load(digest) or self.keep(digest, search))

    def path(self, digest: str) -> Path:
        """A search is of a machine."""
        content = f"{digest} {hardware.timed_on()}".encode()
        return self.folder / f"latency-{hashlib.sha256(content).hexdigest()[:16]}.json"

    def load(self, digest: str) -> Met | None:
        path = self.path(digest)
        if not (self.reuse and path.exists()):
            return None
        try:
            return to_met(load_json(path))
        except (ValueError, TypeError, KeyError) as error:
            log(f"{path} is damaged ({type(error).__name__}): timed again", "yellow")
            return None

    def keep(self, digest: str, search: Callable[[], Met]) -> Met:
        activity.begin("timing networks until one meets the target")
        met = search()
        activity.end()
        share, count = met.paired.share, len(met.candidates)
        log(f"latency: {percent(share.value, 1)} of the dense network's {met.paired.dense_ms:.3g} ms, of {count} timed")
        durable.make_folder(self.folder)
        durable.write(self.path(digest), json.dumps(asdict(met)).encode())
        return met


def to_met(values: FileOfSearch) -> Met:
    candidates = tuple(Candidate(stop, macs, to_paired(paired)) for stop, macs, paired in values["candidates"])
    return Met(values["counts"], to_paired(values["paired"]), candidates)


def to_paired(values: FileOfPair) -> Paired:
    dense_ms, share = values
    return Paired(dense_ms, Ratio(*share))


def budget_of_time(method: PruningMethod) -> Latency | None:
    return method.budget if isinstance(method.budget, Latency) else None


def refuse_timing(method: PruningMethod, program: str, processes: int) -> None:
    """Raises ValueError where no networks can be timed on the way."""
    if budget_of_time(method) is None:
        return
    if program == "table":
        raise ValueError("program=table counts, and a budget of time is met by timing: take budget=macs with it")
    if processes > 1:
        raise ValueError("a budget of time is met by one process, which times networks: set trainer.devices=1")
