"""What the report reads of a record's config, which may hold anything: checked once, when a record is loaded. Pure."""

from collections.abc import Iterator
from typing import Any

GROUPS = ("data", "model", "method", "recipe", "budget", "objective", "choice")
NUMBER = (int, float, type(None))
SHAPES: dict[str, tuple[type, ...]] = {  # of values that may be absent
    "recipe.prune": (dict,),
    "recipe.finetune": (dict,),
    "baseline": (str, type(None)),
    "method._target_": (str,),
    "published": (dict, type(None)),
}
PUBLISHED = {"dense": NUMBER, "tuned": NUMBER, "accuracy_mark": (str,)}  # all there, if it is
DEEPEST = 40
LARGEST = 2**63


def check_config(config: dict[str, Any]) -> None:
    """Raises ValueError for what the report could not read."""
    if lacking := [group for group in GROUPS if not isinstance(config.get(group), dict)]:
        raise ValueError(f"its config lacks {', '.join(lacking)}")
    for path, kinds in SHAPES.items():
        check_kind(path, value_at(config, path, absent=kinds[0]()), kinds)
    for name, kinds in PUBLISHED.items() if config.get("published") else ():
        check_kind(f"published.{name}", config["published"].get(name, "nothing"), kinds)
    for path, value in iterate_numbers(config, ""):
        if abs(value) >= LARGEST:
            raise ValueError(f"its config has a {path} of {value!r:.40}, which no setting can be")


def check_kind(path: str, value: Any, kinds: tuple[type, ...]) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        names = " or ".join(kind.__name__.replace("NoneType", "null") for kind in kinds)
        raise ValueError(f"its config has {value!r:.40} for {path}, not {names}")


def value_at(config: dict[str, Any], path: str, absent: Any) -> Any:
    group, _, key = path.rpartition(".")
    return (config[group] if group else config).get(key, absent)


def iterate_numbers(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, float]]:
    if depth > DEEPEST:
        raise ValueError(f"its config is nested more than {DEEPEST} deep")
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from iterate_numbers(item, f"{path}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, int | float):
        yield path, value
