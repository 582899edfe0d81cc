"""What a stage's result depends on, as one digest: the key of the store and the name of a run."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from experiments.config.node import KEY, leaves

LIBRARIES = ("torch", "torchvision", "lightning", "numpy")
USED = {"timm_network": "timm", "Folder": "Pillow", "TorchPruning": "torch-pruning"}  # by what a `_target_` ends in

# Everything in the config counts but for these, so that a new key is safe until someone lists it here.
NEVER = (
    *("program", "table", "plan", "sensitivity", "store", "store_folder", "folder", "name", "tracking"),
    *("scan", "export", "deploy"),
    *("published", "objective_metric"),
    *("trainer.accelerator", "trainer.devices", "trainer.strategy", "trainer.num_nodes", "trainer.progress"),
    "trainer.checkpoint_minutes",
    *("data.root", "data.workers", "data.cache", "data.verify"),  # what is read counts by data.identity
    "baseline",  # counts by its content
)
DEFAULTS: dict[str, object] = {
    "rounds": 1,
    "recipe.optimizer": "sgd",
    "trainer.callbacks": [],
    "method.assignment": "learned",
    "method.grouped": None,
    "method.linear": False,
    "method.tune": "small",
    "method.variant": "independent",
}  # came later: what was made without them is the same
LATER = {  # what a stage has not seen yet; what it takes from an earlier stage comes in by that stage's digest
    "baseline": (
        "choice",
        "control",
        "method",
        "budget",
        "allocation",
        "ratio",
        "rounds",
        "repair",
        "observe",
        "objective",
        "recipe.prune",
        "recipe.finetune",
        "recipe.grant",
    ),
    "prune": (
        "choice",
        "control",
        "method.form",
        "method.tune",
        "repair",
        "objective",
        "recipe.finetune",
        "recipe.grant",
    ),
    "run": (),
}
FINAL = ("choice", "control", "method.form")


def digest(stage: str, config: Mapping[str, object], **content: object) -> str:
    """`config`: settings, made plain. `content`: what they do not hold: the parent's digest, the data's identity, the
    digest of a file."""
    from experiments.config import sources

    without = (*ignored_without_budget(config), *ignored_without_repair(config))
    ignored = (*NEVER, *LATER.get(stage.partition("-")[0], FINAL), *without, *left_at_default(config))
    counted = drop_paths(config, ignored)
    inputs = {
        "stage": stage,
        "config": counted,
        "content": content,
        "libraries": libraries(counted),
        "sources": sources.digest_of_stage(stage.partition("-")[0], counted),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def ignored_without_budget(config: Mapping[str, object]) -> tuple[str, ...]:
    """A method without a budget is the same at every ratio."""
    method = config.get("method")
    return () if isinstance(method, dict) and "budget" in method else ("budget", "allocation", "ratio")


def ignored_without_repair(config: Mapping[str, object]) -> tuple[str, ...]:
    """Where nothing is mended, nobody looks at images; and what was made before one could choose is the same."""
    repair = config.get("repair")
    return () if isinstance(repair, dict) and repair.get("steps") else ("repair",)


def left_at_default(config: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(path for path, value in DEFAULTS.items() if value_at(config, path) == value)


def value_at(config: object, path: str) -> object:
    """None where there is no such path."""
    key, _, rest = path.partition(".")
    inner = config.get(key) if isinstance(config, Mapping) else None
    return value_at(inner, rest) if rest else inner


def libraries(config: Mapping[str, object]) -> dict[str, str]:
    """Versions of what can change a number: of training's own, and of what this config's classes bring in."""
    from experiments.config import sources

    ends = {str(value).rpartition(".")[2] for path, value in leaves(config) if path.endswith(KEY)}
    used = [name for end, name in USED.items() if end in ends and installed(name)]
    return {name: version(name) for name in (*LIBRARIES, *used)} | sources.libraries(config)


def installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def drop_paths(config: Mapping[str, object], paths: Iterable[str]) -> dict[str, object]:
    """A copy that lacks the dotted paths."""
    copied = {key: dict(value) if isinstance(value, dict) else value for key, value in config.items()}
    for path in paths:
        group, _, key = path.partition(".")
        inner = copied.get(group)
        if not key:
            copied.pop(group, None)
        elif isinstance(inner, dict):
            inner.pop(key, None)
    return copied
