"""Finished stages on disk under the digest of what they were made from: reuse or compute, never twice at once.

A stage's folder holds `weights.safetensors`, `metrics.jsonl` and, written last, `stage.json`: without it, unfinished.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from experiments.records.record import Stage, load_json
from experiments.system.console import log
from experiments.system.locks import hold_lock
from experiments.trainer import checkpoints, ranks
from pruning.files import durable

Weights = dict[str, Tensor]
FILE = "stage.json"


@dataclass(frozen=True)
class Finished:
    weights: Weights
    stage: Stage
    folder: Path


class Store:
    def __init__(self, root: Path, reuse: bool) -> None:
        self.root, self.reuse = root, reuse
        self.visited: list[Path] = []  # folders of this process's stages, in order

    def stage(self, name: str, digest: str, compute: Callable[[Path], tuple[Weights, Stage]]) -> Finished:
        """`compute` gets the stage's folder, where checkpoints of a killed attempt may lie."""
        folder = self.root / f"{name}-{digest[:16]}"
        self.visited.append(folder)
        if not ranks.is_rank_zero():
            return self.follow_rank_zero(folder, compute)
        with hold_lock(folder, ranks.broadcast_wait):
            if not self.reuse:
                clear(folder)
            finished = read(folder)
            ranks.broadcast(finished is not None)
            if finished is not None:
                log_reused(finished.stage)
                return finished
            weights, stage = compute(folder)
            write(folder, weights, stage)
        return Finished(weights, stage, folder)

    def follow_rank_zero(self, folder: Path, compute: Callable[[Path], tuple[Weights, Stage]]) -> Finished:
        """In the other processes of a run: as the first has decided."""
        finished = read(folder) if ranks.receive_decision() else None
        return finished or Finished(*compute(folder), folder)

    def can_resume(self) -> bool:
        """Whether the same command finds a stage of this run, or a checkpoint in it, to go on from."""
        return self.reuse and any(
            (folder / FILE).exists() or checkpoints.exists(folder / checkpoints.LAST) for folder in self.visited
        )


def log_reused(stage: Stage) -> None:
    commit = f" (made at commit {stage.commit})" if stage.commit else ""
    log(f"reused {stage.name} {stage.digest[:8]}{commit}", "green")


def write(folder: Path, weights: Weights, stage: Stage) -> None:
    content = save(weights)
    durable.write(folder / "weights.safetensors", content)
    fields = {**asdict(stage), "weights_sha256": hashlib.sha256(content).hexdigest()}
    durable.write(folder / FILE, json.dumps(fields, indent=1).encode())


def read(folder: Path) -> Finished | None:
    """None when the stage is not finished, or is damaged, which is said."""
    if not (folder / FILE).exists():
        return None
    try:
        fields = load_json(folder / FILE)
        content = (folder / "weights.safetensors").read_bytes()
        if hashlib.sha256(content).hexdigest() != fields.pop("weights_sha256"):
            raise ValueError("weights.safetensors is not what was written")
        return Finished(load(content), replace(Stage(**fields), reused=True), folder)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log(f"{folder} is damaged ({error}): made again", "yellow")
        clear(folder)
        return None


def clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else os.remove(path)
