"""The type of every value in conf/. No defaults here: a default has one home, the YAML. Imports no torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from experiments.config import limits

KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "text", type(None): "null"}
MARKS = (None, "read", "computed", "recalled", "ours")  # how sure a published figure is (conf/experiment)
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed", "64-true")
CHOICES = {
    "control": (None, "scratch"),
    "export": (None, "onnx"),
    "recipe.choose": ("best", "last"),
    "tracking.mode": ("offline", "online", "none"),
    "trainer.precision": PRECISIONS,
    "trainer.compile": ("auto", True, False),
    **{f"recipe.{stage}.schedule": ("constant", "step", "cosine") for stage in ("baseline", "prune", "finetune")},
}

PUBLISHED = {
    "published.ops": ("macs", "authors"),
    "published.accuracy_mark": MARKS,
    "published.cut_mark": MARKS,
}


@dataclass
class Stage:
    epochs: int = MISSING
    lr: float = MISSING
    momentum: float = MISSING
    weight_decay: float = MISSING
    schedule: str = MISSING
    milestones: list[float] = MISSING
    factor: float = MISSING
    warmup: float = MISSING


@dataclass
class Recipe:
    batch: int = MISSING
    scale: float = MISSING
    choose: str = MISSING
    grant: bool = MISSING
    baseline: Stage = MISSING
    prune: Stage = MISSING
    finetune: Stage = MISSING


@dataclass
class Trainer:
    accelerator: str = MISSING
    devices: Any = MISSING  # a number, a list of indices, or "auto"
    strategy: str = MISSING
    num_nodes: int = MISSING
    precision: str = MISSING
    compile: Any = MISSING
    deterministic: bool = MISSING
    progress: bool = MISSING
    checkpoint_minutes: float = MISSING


@dataclass
class Tracking:
    mode: str = MISSING
    project: str = MISSING
    entity: str | None = None
    group: str | None = None


@dataclass
class Scan:
    ratios: list[float] = MISSING
    bound: float = MISSING


@dataclass
class Published:
    """A paper's figures, shares in [0, 1]; `ops`: whether `macs_cut` counts MACs or all that FCF's authors count."""

    dense: float | None = MISSING
    tuned: float | None = MISSING
    accuracy_mark: str | None = MISSING
    macs_cut: float | None = MISSING
    params_cut: float | None = MISSING
    ops: str = MISSING
    cut_mark: str | None = MISSING


@dataclass
class Choice:
    method: str = MISSING
    model: str = MISSING
    data: str = MISSING
    budget: str = MISSING
    recipe: str = MISSING
    objective: str = MISSING
    experiment: str | None = None


@dataclass
class Config:
    """`Any` where a file of conf/ names a `_target_`: its class checks its own arguments."""

    objective: Any = MISSING
    recipe: Recipe = MISSING
    tracking: Tracking = MISSING
    scan: Scan = MISSING
    published: Published | None = None
    budget: Any = MISSING
    data: Any = MISSING
    model: Any = MISSING
    method: Any = MISSING
    trainer: Trainer = MISSING
    choice: Choice = MISSING
    ratio: float = MISSING
    seed: int = MISSING
    baseline: str | None = None
    control: str | None = None
    plan: bool = MISSING
    sensitivity: bool = MISSING
    export: str | None = None
    store: bool = MISSING
    folder: str = MISSING
    name: str = MISSING


def register() -> None:
    ConfigStore.instance().store(name="schema", node=Config)


def plain(config: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def check(values: dict[str, Any]) -> None:
    """Raises ValueError for what types cannot say."""
    refuse_unknown(values, Config)
    found = dict(leaves(values))
    for path, value in found.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{path} must be a finite number, got {value}")
    if not 0 <= found["ratio"] < 1:
        raise ValueError(f"ratio must lie in [0, 1), got {found['ratio']:g}: it is the share that is removed")
    for path, allowed in (CHOICES | (PUBLISHED if values["published"] else {})).items():
        if found[path] not in allowed:
            raise ValueError(f"{path} must be one of {', '.join(map(str, allowed))}, got {found[path]}")
    if found["trainer.checkpoint_minutes"] < 0:
        raise ValueError(f"trainer.checkpoint_minutes must be 0 or more, got {found['trainer.checkpoint_minutes']:g}")
    limits.check_recipe(found)
    limits.check_seeds(found)
    limits.check_images(values["data"])
    limits.check_scan(values["scan"])
    limits.check_tracking(values["tracking"])


def refuse_unknown(values: dict[str, Any], kind: type, path: str = "") -> None:
    """A `+key=value` composes and would make another digest, although nobody reads it."""
    known = get_type_hints(kind)
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{path}{key}: no such key; known here are {', '.join(known)}")
        if is_dataclass(known[key]) and isinstance(value, dict):
            refuse_unknown(value, known[key], f"{path}{key}.")  # type: ignore[arg-type]


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a nested config with its dotted path."""
    if isinstance(values, dict | list) and values:
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in pairs:
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, values
