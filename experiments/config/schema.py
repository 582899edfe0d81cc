"""The type and the rule of every value in conf/, at its field. A default has one home, the YAML. Imports no torch."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from experiments.config import rules
from experiments.config.rules import Rule, above, at_least, name_for_wandb, of_each, one_of, share

KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "text", type(None): "null"}


def ruled(rule: Rule, default: Any = MISSING) -> Any:
    """A field with the rule that `check` asks of its value."""
    return field(default=default, metadata={"rule": rule})


MARK = one_of(None, "read", "computed", "recalled", "ours")  # how sure a published figure is (conf/experiment)


@dataclass
class Stage:
    epochs: int = ruled(at_least(0))
    lr: float = ruled(at_least(0))
    momentum: float = ruled(share("from 1 on steps grow without end"))
    weight_decay: float = ruled(at_least(0))
    schedule: str = ruled(one_of("constant", "step", "cosine"))
    milestones: list[float] = ruled(of_each(at_least(0)))
    factor: float = ruled(at_least(0))
    warmup: float = ruled(at_least(0))


@dataclass
class Recipe:
    batch: int = ruled(at_least(1))
    scale: float = ruled(above(0))
    choose: str = ruled(one_of("best", "last"))
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
    precision: str = ruled(one_of("auto", "32-true", "bf16-mixed", "16-mixed", "64-true"))
    compile: Any = ruled(one_of("auto", True, False))
    deterministic: bool = MISSING
    progress: bool = MISSING
    checkpoint_minutes: float = ruled(at_least(0))


@dataclass
class Tracking:
    mode: str = ruled(one_of("offline", "online", "none"))
    project: str = ruled(name_for_wandb)
    entity: str | None = None
    group: str | None = None


@dataclass
class Scan:
    ratios: list[float] = ruled(of_each(share(), "for example scan.ratios=[0.3,0.5]"))
    bound: float = MISSING


@dataclass
class Published:
    """A paper's figures, shares in [0, 1]; `ops`: whether `macs_cut` counts MACs or all that FCF's authors count."""

    dense: float | None = MISSING
    tuned: float | None = MISSING
    accuracy_mark: str | None = ruled(MARK)
    macs_cut: float | None = MISSING
    params_cut: float | None = MISSING
    ops: str = ruled(one_of("macs", "authors"))
    cut_mark: str | None = ruled(MARK)


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
    ratio: float = ruled(share("it is the share that is removed"))
    seed: int = MISSING
    baseline: str | None = None
    control: str | None = ruled(one_of(None, "scratch"), default=None)
    plan: bool = MISSING
    sensitivity: bool = MISSING
    export: str | None = ruled(one_of(None, "onnx"), default=None)
    store: bool = MISSING
    folder: str = MISSING
    name: str = MISSING


def register() -> None:
    ConfigStore.instance().store(name="schema", node=Config)
    # Our launchers' files have the plugin's names, and its schema checks them: wanted, and no news for the user.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/submitit_\w+' is validated against")


def plain(config: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def check(values: dict[str, Any]) -> None:
    """Raises ValueError for what types cannot say: value, rule, remedy."""
    numbers = dict(leaves(values))
    refuse_unknown(values, Config)
    for path, value in numbers.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{path} must be a finite number, got {value}")
    check_rules(values, Config)
    rules.check_seeds(numbers)
    rules.check_images(values["data"])


def refuse_unknown(values: dict[str, Any], kind: type, path: str = "") -> None:
    """A `+key=value` composes and would make another digest, although nobody reads it."""
    known = get_type_hints(kind)
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{path}{key}: no such key; known here are {', '.join(known)}")
        if is_dataclass(known[key]) and isinstance(value, dict):
            refuse_unknown(value, known[key], f"{path}{key}.")  # type: ignore[arg-type]


def check_rules(values: dict[str, Any], kind: type, path: str = "") -> None:
    hints = get_type_hints(kind)
    for each in fields(kind):  # type: ignore[arg-type]
        value = values[each.name]
        if "rule" in each.metadata:
            each.metadata["rule"](f"{path}{each.name}", value)
        inner = next(
            (option for option in (hints[each.name], *get_args(hints[each.name])) if is_dataclass(option)), None
        )
        if inner and isinstance(value, dict):
            check_rules(value, inner, f"{path}{each.name}.")  # type: ignore[arg-type]


def leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a nested config with its dotted path."""
    if isinstance(values, dict | list) and values:
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in pairs:
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, values
