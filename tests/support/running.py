"""Tiny runs from beginning to end, and what must be equal between two of them."""

import json
from dataclasses import replace
from pathlib import Path

from experiments import program
from experiments.records.record import Record
from support.tiny_run import config


def run(folder: Path, *overrides: str) -> Record:
    made = program.run(config(f"folder={folder}", *overrides))
    assert made is not None
    return made


def untimed(made: Record) -> Record:
    """What must be equal between two runs of the same: all but times."""
    networks = {
        name: replace(getattr(made, name), latency_ms={})
        for name in ("dense", "pruned", "repaired", "tuned")
        if getattr(made, name)
    }
    stages = [replace(stage, seconds=0.0, images_per_second=0.0, reused=False, commit=None) for stage in made.stages]
    times = {"selection_seconds": None, "repair_seconds": None}
    return replace(made, **networks, **times, stages=stages, git_commit=None, scratch=None, command="")


def metrics(folder: Path) -> list[dict[str, object]]:
    (path,) = (each for each in folder.glob("*/metrics.jsonl") if "store" not in each.parts)
    return [json.loads(line) for line in path.read_text().splitlines()]
