"""What a value may be, beyond its type: rules that `schema` names at its fields. Imports no torch.

A rule takes the dotted path of a value and the value; it raises ValueError with the value, the rule and the remedy.
"""

from collections.abc import Callable
from typing import Any

Rule = Callable[[str, Any], None]
SEEDS = 2**32
PROJECT_LACKS, PROJECT_LONGEST = "/\\#?%:", 128


def one_of(*choices: Any) -> Rule:
    def rule(path: str, value: Any) -> None:
        if (type(value), value) not in [(type(choice), choice) for choice in choices]:
            raise ValueError(f"{path} must be one of {', '.join(map(str, choices))}, got {value}")

    return rule


def at_least(least: float) -> Rule:
    def rule(path: str, value: float) -> None:
        if value < least:
            raise ValueError(f"{path} must be {least:g} or more, got {value:g}")

    return rule


def above(bound: float) -> Rule:
    def rule(path: str, value: float) -> None:
        if value <= bound:
            raise ValueError(f"{path} must be above {bound:g}, got {value:g}")

    return rule


def share(why: str = "") -> Rule:
    def rule(path: str, value: float) -> None:
        if not 0 <= value < 1:
            raise ValueError(f"{path} must lie in [0, 1), got {value:g}" + (f": {why}" if why and value >= 1 else ""))

    return rule


def of_each(rule_of_one: Rule, example: str | None = None) -> Rule:
    """Of every number of a list; with an `example` the list may not be empty."""

    def rule(path: str, values: list[float]) -> None:
        if example and not values:
            raise ValueError(f"{path} must name a number or more, got []: {example}")
        for value in values:
            rule_of_one(f"each of {path}", value)

    return rule


def name_for_wandb(path: str, value: str) -> None:
    """W&B's own rules, which it tells when a run has begun already."""
    wrong = [mark for mark in PROJECT_LACKS if mark in value]
    if wrong or not 0 < len(value) <= PROJECT_LONGEST:
        what = f"has {wrong[0]!r}" if wrong else f"has {len(value)} characters"
        raise ValueError(
            f"{path}={value[:40]} {what}: W&B takes names of 1 to {PROJECT_LONGEST} characters without "
            f"{' '.join(PROJECT_LACKS)}"
        )


def check_seeds(found: dict[str, Any]) -> None:
    """Of the run, the data and a method: random filters make one number of seed and layer, 64 bits in all."""
    for path, value in found.items():
        if path.rpartition(".")[2] == "seed" and isinstance(value, int) and not 0 <= value < SEEDS:
            raise ValueError(f"{path} must lie in 0 ... {SEEDS - 1}, got {value}: for example {path}=0")


def check_images(data: dict[str, Any]) -> None:
    """What every data set of ours is normalised by and holds out; how many images there are is known later."""
    ours = str(data.get("_target_")).startswith("datamodules.")
    for name in ("mean", "std"):
        value = data.get(name)
        if not (ours or isinstance(value, list)) or name not in data:  # a data set of the user's own has its own form
            continue
        if not (isinstance(value, list) and len(value) == 3 and all(type(each) in (int, float) for each in value)):
            raise ValueError(f"data.{name} must be three numbers, of red, green and blue, got {value}")
        if name == "std" and min(value) <= 0:
            raise ValueError(
                f"data.std must be above 0 in each of three colours, got {value}: images are divided by it"
            )
    val = data.get("val", 0)
    if type(val) in (int, float) and (val < 0 or (type(val) is float and val >= 1)):
        raise ValueError(
            f"data.val must be a share in [0, 1) or a count of images, got {val}: give for example data.val=0.1, "
            "data.val=500, or data.val=0 to train on all"
        )
