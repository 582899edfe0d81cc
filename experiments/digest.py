"""What a stage's result depends on, as one digest: the key of the store and the name of a run."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROGRAMME = (
    *("stages", "recipes", "checkpoints", "prepare", "bench", "baseline", "execution", "measure", "ranks", "results"),
    "pipeline",
)
SOURCES = ("pruning", "datamodules", *(f"experiments/{name}.py" for name in PROGRAMME))  # mended, nothing old returns
LIBRARIES = ("torch", "torchvision", "lightning", "numpy")

# Everything in the config counts but for these, so that a new key is safe until someone lists it here.
NEVER = (
    *("plan", "sensitivity", "store", "folder", "name", "tracking", "scan", "export", "published"),
    *("trainer.accelerator", "trainer.devices", "trainer.strategy", "trainer.num_nodes", "trainer.progress"),
    "trainer.checkpoint_minutes",
    *("data.root", "data.workers", "data.cache"),  # what is read counts by data.identity, not by where it lies
    "baseline",  # counts by its content
)
LATER = {  # what a stage has not seen yet; what it takes from an earlier stage comes in by that stage's digest
    "baseline": (
        "choice",
        "control",
        "method",
        "budget",
        "ratio",
        "objective",
        "recipe.prune",
        "recipe.finetune",
        "recipe.grant",
    ),
    "prune": ("choice", "control", "method.form", "objective", "recipe.finetune", "recipe.grant"),
    "run": (),
}
FINAL = ("choice", "control", "method.form")


def idle(config: dict[str, Any]) -> tuple[str, ...]:
    """A method without a budget is the same at every ratio."""
    return () if "budget" in config.get("method", {}) else ("budget", "ratio")


def digest(stage: str, config: dict[str, Any], **content: Any) -> str:
    """`content` holds what the config does not: the parent's digest, the data's identity, the digest of a file."""
    made_of = {
        "stage": stage,
        "config": without(config, (*NEVER, *LATER.get(stage, FINAL), *idle(config))),
        "content": content,
        "libraries": {name: version(name) for name in LIBRARIES},
        "sources": sources(),
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def without(config: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A copy that lacks the dotted paths."""
    kept = {key: dict(value) if isinstance(value, dict) else value for key, value in config.items()}
    for path in paths:
        group, _, key = path.partition(".")
        if key:
            kept.get(group, {}).pop(key, None)
        else:
            kept.pop(group, None)
    return kept


@cache
def sources() -> str:
    files = sorted(path for part in SOURCES for path in python_files(ROOT / part))
    content = [(path.relative_to(ROOT).as_posix(), path.read_text()) for path in files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def python_files(path: Path) -> Iterable[Path]:
    return path.rglob("*.py") if path.is_dir() else [path]


def of_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
