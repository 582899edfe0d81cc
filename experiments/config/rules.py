"""What a value may be, beyond its type: rules that stand at the fields of `schema`. Imports no torch.

A rule takes the dotted path of a value and the value; it raises ValueError with the value, the rule and the remedy.
"""

import math
from collections.abc import Callable, Sequence

from experiments.config.node import Node, leaves, plain
from experiments.records import objectives
from experiments.records.json_value import JSON
from experiments.system.redact import refuse_secret
from pruning.arguments import name_by_keys
from pruning.repair.names import repair_names

NumberRule = Callable[[str, float], None]
SEEDS = 2**32
PROJECT_LACKS, PROJECT_LONGEST = "/\\#?%:", 128


def at_least(least: float) -> NumberRule:
    def rule(path: str, value: float) -> None:
        if value < least:
            raise ValueError(f"{path} must be {least:g} or more, got {value:g}")

    return rule


def above(bound: float) -> NumberRule:
    def rule(path: str, value: float) -> None:
        if value <= bound:
            raise ValueError(f"{path} must be above {bound:g}, got {value:g}")

    return rule


def share(why: str = "") -> NumberRule:
    def rule(path: str, value: float) -> None:
        if not 0 <= value < 1:
            raise ValueError(f"{path} must lie in [0, 1), got {value:g}" + (f": {why}" if why and value >= 1 else ""))

    return rule


def not_empty(example: str) -> Callable[[str, Sequence[float]], None]:
    def rule(path: str, values: Sequence[float]) -> None:
        if not values:
            raise ValueError(f"{path} must name a number or more, got []: {example}")

    return rule


def repair_order(path: str, steps: str | Sequence[str]) -> None:
    """Each once, merging first."""
    with name_by_keys({"repair": path}):
        repair_names(steps)


def table_without_target(path: str, node: Node) -> None:
    if node.target == "pruning.budget.Share" and "table" in node.arguments:
        raise ValueError(
            f"{path}.table gives layers shares of their own, and a share of the whole network's "
            f"{node.arguments.get('of')} leaves none open: take budget=layer with it"
        )


def repairs(path: str, names: Sequence[str]) -> None:
    """One repair each, or several in order: none, ls, "merge,ls"."""
    for repair in names:
        repair_order(path, repair)


def metrics(path: str, names: str | Sequence[str]) -> None:
    """Those that a search may look at, each once."""
    several = [names] if isinstance(names, str) else list(names)
    if not several or len(set(several)) < len(several):
        raise ValueError(f"{path} must name a metric, or several, each once, got {names}: for example val_accuracy")
    for name in several:
        objectives.refuse_unknown(path, name)


def not_blank(path: str, value: str | None) -> None:
    """As from a variable of the shell that is not set."""
    if value is not None and not value.strip():
        raise ValueError(f"{path} must name a file or a folder, got {value!r}: or leave it out")


def name_for_wandb(path: str, value: str) -> None:
    """W&B's own rules, which it tells when a run has begun already."""
    wrong = [mark for mark in PROJECT_LACKS if mark in value]
    if wrong or not 0 < len(value) <= PROJECT_LONGEST:
        what = f"has {wrong[0]!r}" if wrong else f"has {len(value)} characters"
        raise ValueError(
            f"{path}={value[:40]} {what}: W&B takes names of 1 to {PROJECT_LONGEST} characters without "
            f"{' '.join(PROJECT_LACKS)}"
        )


def finite(path: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{path} must be a finite number, got {value}")


def seed(path: str, value: object) -> None:
    """Random filters make one number of seed and layer, 64 bits in all."""
    if isinstance(value, int) and not 0 <= value < SEEDS:
        raise ValueError(f"{path} must lie in 0 ... {SEEDS - 1}, got {value}: for example {path}=0")


def arguments(path: str, node: Node) -> None:
    """Of every class alike; what else its arguments may be it says itself."""
    for name, value in leaves(node.arguments, path):
        finite(name, value)
        if name.endswith(".seed"):
            seed(name, value)


def no_secret(path: str, node: Node) -> None:
    """What a network is built of is written beside its weights."""
    for name, value in leaves(plain(node), path):
        refuse_secret(name, str(value))


def images(path: str, node: Node) -> None:
    """What every data set of ours is normalised by and holds out; how many images there are is known later."""
    ours = node.target.startswith("datamodules.")
    for name in ("mean", "std"):
        value = node.arguments.get(name)
        if not (ours or isinstance(value, list)) or name not in node.arguments:  # the user's own may have another form
            continue
        numbers = colours(value)
        if numbers is None:
            raise ValueError(f"{path}.{name} must be three numbers, of red, green and blue, got {value}")
        if name == "std" and min(numbers) <= 0:
            raise ValueError(
                f"{path}.std must be above 0 in each of three colours, got {value}: images are divided by it"
            )
    val = node.arguments.get("val", 0)
    if isinstance(val, int | float) and (val < 0 or (isinstance(val, float) and val >= 1)):
        raise ValueError(
            f"{path}.val must be a share in [0, 1) or a count of images, got {val}: give for example data.val=0.1, "
            "data.val=500, or data.val=0 to train on all"
        )


def colours(value: JSON) -> tuple[float, float, float] | None:
    """Three numbers, of red, green and blue; None of anything else."""
    match value:
        case [int() | float() as red, int() | float() as green, int() | float() as blue] if bool not in map(
            type, value
        ):
            return float(red), float(green), float(blue)
    return None
