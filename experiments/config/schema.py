"""The type and the rule of every value in conf/, at its field. A default has one home, the YAML. Imports no torch."""

from dataclasses import dataclass, is_dataclass, make_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, Optional, get_args, get_origin, get_type_hints

from omegaconf import MISSING

from experiments.config import hydra_versions, rules
from experiments.config.node import Node
from experiments.config.rules import above, at_least, name_for_wandb, not_empty, share
from experiments.config.typed import options_of
from experiments.system.redact import refuse_secret

Size = Annotated[float, at_least(0)]
Share = Annotated[float, share()]
Seed = Annotated[int, rules.seed]
Program = Literal["experiment", "plan", "sensitivity", "table"]
Mark = Literal["read", "computed", "recalled", "ours"]  # how sure a published figure is (conf/experiment)
Made = Annotated[Node, rules.arguments]


@dataclass(frozen=True)
class Stage:
    epochs: Annotated[int, at_least(0)]
    lr: Size
    momentum: Annotated[float, share("from 1 on steps grow without end")]
    weight_decay: Size
    schedule: Literal["constant", "step", "cosine", "linear"]
    milestones: list[Size]
    factor: Size
    warmup: Size


@dataclass(frozen=True)
class Recipe:
    batch: Annotated[int, at_least(1)]
    scale: Annotated[float, above(0)]
    choose: Literal["best", "last"]
    optimizer: Literal["sgd", "adamw"]
    grant: bool
    baseline: Stage
    prune: Stage
    finetune: Stage


@dataclass(frozen=True)
class Repair:
    steps: Annotated[list[Literal["bn", "ls", "merge"]], rules.repair_order]
    images: Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Observe:
    images: Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Deploy:
    precision: Literal["int8"] | None
    images: Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Trainer:
    accelerator: str
    devices: int | str | list[int]  # how many, "auto", or their indices
    strategy: str
    num_nodes: int
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true"]
    compile: Literal["auto", True, False]
    deterministic: bool
    progress: bool
    checkpoint_minutes: Size
    callbacks: list[Made]


@dataclass(frozen=True)
class Tracking:
    mode: Literal["offline", "online", "none"]
    project: Annotated[str, name_for_wandb]
    entity: str | None
    group: str | None
    artifact: bool
    loggers: list[Made]


@dataclass(frozen=True)
class Scan:
    ratios: Annotated[list[Share], not_empty("for example scan.ratios=[0.3,0.5]")]
    bound: float


@dataclass(frozen=True)
class Grid:
    """All of these with each other."""

    criteria: list[str]
    allocations: list[str]
    repairs: Annotated[list[str], rules.repairs]


@dataclass(frozen=True)
class Table(Grid):
    """The cells of program=table: this grid and another one, at every ratio, once for each draw of images."""

    also: Grid
    ratios: Annotated[list[Share], not_empty("for example table.ratios=[0.3,0.5]")]
    draws: Annotated[list[Seed], not_empty("for example table.draws=[0,1,2]")]


@dataclass(frozen=True)
class Published:
    """A paper's figures, shares in [0, 1]; `ops`: whether `macs_cut` counts MACs or all that FCF's authors count."""

    dense: float | None
    tuned: float | None
    accuracy_mark: Mark | None
    macs_cut: float | None
    params_cut: float | None
    ops: Literal["macs", "authors"]
    cut_mark: Mark | None


@dataclass(frozen=True)
class Choice:
    method: str
    model: str
    data: str
    budget: str
    allocation: str
    recipe: str
    objective: str
    experiment: str | None


@dataclass(frozen=True)
class Settings:
    objective: Made
    recipe: Recipe
    tracking: Tracking
    scan: Scan
    table: Table
    published: Published | None
    budget: Annotated[Made, rules.table_without_target]
    allocation: Made
    repair: Repair
    observe: Observe
    deploy: Deploy
    data: Annotated[Made, rules.images]
    model: Annotated[Made, rules.no_secret]
    method: Made
    trainer: Trainer
    choice: Choice
    ratio: Annotated[float, share("it is the share that is removed")]
    rounds: Annotated[int, at_least(1)]
    seed: Seed
    baseline: Annotated[str | None, rules.not_blank]
    control: Literal["scratch"] | None
    program: Program
    objective_metric: Annotated[str | list[str], rules.metrics]  # one, or several
    plan: bool
    sensitivity: bool
    export: Literal["onnx"] | None
    store: bool
    store_folder: Annotated[str | None, rules.not_blank, refuse_secret]
    folder: Annotated[str, refuse_secret]
    name: str

    @property
    def ms(self) -> float | None:
        """What a budget of time may take in place of a ratio."""
        asked = self.budget.arguments.get("ms")
        return asked if isinstance(asked, int | float) else None


def register() -> None:
    hydra_versions.register("schema", omegaconf_class(Settings), {"unless": suffix_unless, "target": name_target})


def suffix_unless(value: str, default: str) -> str:
    """For names: what is as usual is not told."""
    return "" if value == default else f"-{value}"


def name_target(ratio: float, ms: float | None) -> str:
    """For names: what is to go, or the milliseconds that may be taken."""
    return f"{ratio}" if ms is None else f"{ms:g}ms"


def omegaconf_class(kind: type) -> type:
    """The same fields in types that OmegaConf can convert to: it knows no Literal, a frozen class takes no values."""
    hints = get_type_hints(kind)
    return make_dataclass(kind.__name__, [(name, omegaconf_type(hint), MISSING) for name, hint in hints.items()])


def omegaconf_type(hint: object) -> object:
    """`Any` where that is several types, or a node, whose class checks its own arguments."""
    options = options_of(hint)
    kinds = {kind for option in options if option is not NoneType for kind in option_kinds(option)}
    kind = kinds.pop() if len(kinds) == 1 else Any
    return Optional[kind] if NoneType in options else kind  # type: ignore[valid-type] # noqa: UP045


def option_kinds(option: object) -> set[object]:
    if get_origin(option) is Literal:
        return {type(choice) for choice in get_args(option)}
    if option is Node:
        return {Any}
    if get_origin(option) is list and Node in options_of(get_args(option)[0]):
        return {list[Any]}
    if get_origin(option) is list and get_origin(get_args(option)[0]) is Literal:
        return {list[kind] for kind in option_kinds(get_args(option)[0])}  # type: ignore[valid-type]
    return {omegaconf_class(option) if is_dataclass(option) else option}  # type: ignore[arg-type]
