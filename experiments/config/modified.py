"""Whether a run is the published experiment or a modified one: which overrides change what its file says."""

from collections.abc import Iterable, Mapping

from hydra.core.hydra_config import HydraConfig

from experiments.config.digest import NEVER
from experiments.config.typed_overrides import as_typed

# beside what changes no number: repetitions, further rows, the machine
FREE = (*NEVER, "experiment", "seed", "hydra", "control", "trainer", "method.form", "data.download")


def modified(experiment: str | None) -> list[str]:
    """The overrides, as typed, of a run of an experiment; nothing for other runs."""
    if experiment is None:
        return []
    job = HydraConfig.get()
    return changes(as_typed(job.overrides.task), job.sweeper.get("params") or {})


def changes(overrides: Iterable[str], swept: Mapping[str, str]) -> list[str]:
    """Those that neither are free nor pick one of the values that the experiment itself sweeps over."""
    return [each for each in overrides if not (free(name(each)) or picked(each, swept))]


def name(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def free(key: str, paths: Iterable[str] = FREE) -> bool:
    """Whether it is one of the paths, or lies below one."""
    return any(key == path or key.startswith((f"{path}.", f"{path}/")) for path in paths)


def picked(override: str, swept: Mapping[str, str]) -> bool:
    key, _, value = override.partition("=")
    return key in swept and value in str(swept[key]).split(",")
