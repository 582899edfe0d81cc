"""Whether a run is the published experiment or a modified one: which overrides change what its file says."""

from collections.abc import Iterable, Mapping

from hydra.core.hydra_config import HydraConfig

from experiments.config.digest import NEVER
from experiments.config.typed_overrides import unresolved

# beside what changes no number: repetitions, further rows, the machine
MACHINE = ("trainer.precision", "trainer.compile", "trainer.deterministic")
FREE = (*NEVER, *MACHINE, "experiment", "seed", "hydra", "control", "method.form", "data.download")


def modifications(experiment: str | None) -> list[str]:
    """The overrides, as typed, of a run of an experiment; nothing for other runs."""
    if experiment is None:
        return []
    job = HydraConfig.get()
    return modifying_overrides(unresolved(job.overrides.task), job.sweeper.get("params") or {})


def modifying_overrides(overrides: Iterable[str], swept: Mapping[str, str]) -> list[str]:
    """Those that neither are free nor pick one of the values that the experiment itself sweeps over."""
    return [
        override for override in overrides if not (is_below(override_key(override)) or is_swept_value(override, swept))
    ]


def override_key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def is_below(key: str, paths: Iterable[str] = FREE) -> bool:
    """Whether it is one of the paths, or lies below one."""
    return any(key == path or key.startswith((f"{path}.", f"{path}/")) for path in paths)


def is_swept_value(override: str, swept: Mapping[str, str]) -> bool:
    key, _, value = override.partition("=")
    return key in swept and value in str(swept[key]).split(",")
