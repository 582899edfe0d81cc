"""A run that its user has named: the same name with another config is refused, not quietly another run."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from experiments.config import typed_overrides
from experiments.config.digest import NEVER
from experiments.config.modified import free
from experiments.config.modified import name as key
from experiments.records import jobs, status
from experiments.system.redact import redact


def check_name_is_free(folder: Path) -> None:
    """`folder` is the run's, <name>-<digest>. Raises ValueError that lists what differs, where `name=` was typed and a
    run of that name was asked for otherwise; the jobs of a sweep may share a name."""
    now = typed_overrides.as_typed(HydraConfig.get().overrides.task)
    if jobs.JOB in os.environ or folder.exists() or "name" not in map(key, now):
        return
    for other, command in earlier_runs(folder):
        if differing := list(differing_overrides(command, redact(now))):
            raise ValueError(
                f"name= names {other} already, a run of another config ({'; '.join(differing)}): "
                "choose another name, or delete that folder"
            )


def earlier_runs(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The other runs of this name, and the overrides that they were started with."""
    name = folder.name.rpartition("-")[0]
    for path in sorted(folder.parent.glob("*/status.json")):
        with suppress(ValueError):  # a damaged one is the report's to show
            found = status.read(path.parent) if path.parent.name.rpartition("-")[0] == name else None
            if found is not None:
                yield path.parent, typed_overrides.overrides(found.command)


def differing_overrides(before: Iterable[str], now: Iterable[str]) -> Iterator[str]:
    old, new = override_values(before), override_values(now)
    for each in dict.fromkeys((*old, *new)):
        if old.get(each) != new.get(each):
            yield f"{each}: {old.get(each, 'not given')} -> {new.get(each, 'not given')}"


def override_values(overrides: Iterable[str]) -> dict[str, str]:
    """Of what counts in a config."""
    pairs = ((key(each), each.partition("=")[2]) for each in overrides)
    return {name: value for name, value in pairs if not free(name, NEVER)}
