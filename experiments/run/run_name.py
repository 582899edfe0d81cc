"""A run that its user has named: the same name with another config is refused, not quietly another run."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from experiments.config import typed_overrides
from experiments.config.digest import NEVER
from experiments.config.modified import is_below
from experiments.config.modified import override_key as key
from experiments.records import jobs, status
from experiments.system.redact import redact


def check_name_is_free(folder: Path) -> None:
    """`folder` is the run's, <name>-<digest>. Raises ValueError that lists what differs, where `name=` was typed and a
    run of that name was asked for otherwise; the jobs of a sweep may share a name."""
    typed = typed_overrides.unresolved(HydraConfig.get().overrides.task)
    if jobs.JOB in os.environ or folder.exists() or "name" not in map(key, typed):
        return
    for other, command in earlier_runs(folder):
        if differing := list(differing_overrides(command, redact(typed))):
            raise ValueError(
                f"name= names {other} already, a run of another config ({'; '.join(differing)}): "
                "choose another name, or delete that folder"
            )


def earlier_runs(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """The other runs of this name, and the overrides that they were started with."""
    name = folder.name.rpartition("-")[0]
    for path in sorted(folder.parent.glob("*/status.json")):
        with suppress(ValueError):  # a damaged one is the report's to show
            run = status.read(path.parent) if path.parent.name.rpartition("-")[0] == name else None
            if run is not None:
                yield path.parent, typed_overrides.overrides(run.command)


def differing_overrides(earlier: Iterable[str], typed: Iterable[str]) -> Iterator[str]:
    old, new = override_values(earlier), override_values(typed)
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield f"{name}: {old.get(name, 'not given')} -> {new.get(name, 'not given')}"


def override_values(overrides: Iterable[str]) -> dict[str, str]:
    """Of what counts in a config."""
    pairs = ((key(override), override.partition("=")[2]) for override in overrides)
    return {name: value for name, value in pairs if not is_below(name, NEVER)}
