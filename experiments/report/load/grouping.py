"""What makes two runs repetitions of each other, points of one curve, or comparable at all."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import lru_cache
from typing import TypeVar

from experiments.config.digest import NEVER
from experiments.records.json_value import JSON
from experiments.records.record import Record
from experiments.report.load.recorded_config import read_config

# What no number of a run depends on, and what repetitions differ in.
LOTS = (
    "seed",
    "data.seed",
    "method.seed",
    *(f"{budget}allocation.seed" for budget in ("", "budget.", "method.budget.")),
)
SAME_STEPS = ("method.tune",)  # but for rounding
NOT_DISTINGUISHING = {*NEVER, *LOTS, *SAME_STEPS, "choice.experiment", "control"}
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def comparison_key(record: Record) -> str:
    """The network and the data set: across them nothing is compared."""
    config = read_config(record.config)
    data = config["data"]
    return canonical_json(
        [config["model"], record.data, data.get("_target_"), data.get("name"), record.classes, record.dense.macs]
    )


def curve_key(record: Record) -> str:
    """All of the config but seeds, the ratio, and what no number depends on."""
    return canonical_json(
        {path: value for path, value in distinguishing_settings(record).items() if path.rpartition(".")[2] != "ratio"}
    )


def repetition_key(record: Record) -> str:
    return canonical_json(distinguishing_settings(record))


def distinguishing_settings(record: Record) -> dict[str, JSON]:
    """The config's leaves that may tell two settings apart."""
    compiled: list[JSON] = [stage.name for stage in record.stages if stage.compiled]
    settings: dict[str, JSON] = dict(leaves(record.config))
    settings |= {"precision": record.precision, "trainer.compile": compiled}
    settings["baseline"] = "trained" if record.config.get("baseline") is None else "given"
    settings |= {"modified": [*record.modified]} if record.experiment else {}  # never averaged with what was published
    return {path: value for path, value in settings.items() if path == "baseline" or not is_excluded(path)}


@lru_cache(maxsize=10_000)  # asked for every leaf of every run's config
def is_excluded(path: str) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:length]) in NOT_DISTINGUISHING for length in range(1, len(parts) + 1))


def leaves(value: JSON, path: str = "") -> Iterator[tuple[str, JSON]]:
    """Every value of a nested config with its dotted path; a list counts as one value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def canonical_json(values: object) -> str:
    return json.dumps(values, sort_keys=True)


def short_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def group_by(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """In the order of first appearance."""
    groups: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)
