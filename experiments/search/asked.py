"""What a search is asked: conf/hydra/sweeper/optuna.yaml, typed, and refused before any job. Imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from omegaconf import DictConfig

from experiments.config import settings
from experiments.config.rules import at_least
from experiments.config.schema import Seed, Settings
from experiments.config.typed import build, is_of_kind
from experiments.config.typed_overrides import is_typed
from experiments.records import jobs, objectives
from experiments.search.space import Space, parse_space

PLACE = "hydra.sweeper"
DATABASE = "search.db"  # SQLite, where no storage is named
Compose = Callable[[Sequence[str]], DictConfig]


@dataclass(frozen=True)
class Sampling:
    n_trials: Annotated[int, at_least(1)]
    n_jobs: Annotated[int, at_least(1)]
    sampler: Literal["tpe", "random", "nsga2"]
    seed: Seed
    storage: str | None
    study: str | None


@dataclass(frozen=True)
class Search:
    sampling: Sampling
    space: Space
    metrics: list[str]
    bounds: dict[str, float]
    first: dict[str, object]  # the point that is tried before all others
    sweep: Path

    @property
    def database(self) -> str:
        return self.sampling.storage or str(self.sweep / DATABASE)

    @property
    def study(self) -> str:
        """Another space or other metrics are another study."""
        searched = [str(override.input_line) for override in self.space.overrides]
        asked = [*searched, *self.metrics, *(f"{name}={bound!r}" for name, bound in self.bounds.items())]
        return self.sampling.study or jobs.job_key(asked)


def read_search(values: Mapping[str, object], arguments: Sequence[str], compose: Compose) -> Search:
    """Raises ValueError: value, rule, remedy."""
    groups = {name: as_mapping(name, values.get(name)) for name in ("params", "constraints", "first")}
    sampling = build(Sampling, {name: value for name, value in values.items() if name not in groups}, PLACE)
    space = parse_space(groups["params"], arguments)
    bounds = {name: as_bound(name, bound) for name, bound in groups["constraints"].items()}
    if groups["first"] and groups["first"].keys() != space.sweeps.keys():
        raise ValueError(f"{PLACE}.first must have {', '.join(space.sweeps)}, got {', '.join(groups['first'])}")
    job = settings.load_composition(compose(space.fill(middle(space))))
    metrics = [job.objective_metric] if isinstance(job.objective_metric, str) else job.objective_metric
    refuse_absent(job, {*metrics, *bounds})
    sweep = jobs.sweep_folder(Path(job.folder).absolute(), arguments)
    return Search(sampling, space, metrics, bounds, space.point(groups["first"], f"{PLACE}.first"), sweep)


def as_mapping(name: str, value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{PLACE}.{name} must be a group of values, got {value!r}")
    return dict(value)


def as_bound(name: str, bound: object) -> float:
    path = f"{PLACE}.constraints"
    objectives.refuse_unknown(path, name)
    if not is_of_kind(float, bound) or not bound:
        raise ValueError(f"{path}.{name} must be a number other than 0, got {bound!r}: for example {{macs_cut: 0.5}}")
    return float(bound)  # type: ignore[arg-type]


def middle(space: Space) -> dict[str, object]:
    """A point of the space; any will do."""
    return {path: each.to_external_repr(lowest(each)) for path, each in space.distributions().items()}


def lowest(distribution: object) -> float:
    return float(getattr(distribution, "low", 0))


def refuse_absent(job: Settings, names: set[str]) -> None:
    """What no record of these jobs would have."""
    if job.program != settings.EXPERIMENT:
        raise ValueError(f"program={job.program} has no record to search by: take program={settings.EXPERIMENT}")
    if "val_accuracy" in names and job.data.arguments.get("val") == 0:
        raise ValueError("val_accuracy is in no record of data.val=0: hold images out, for example data.val=0.1")
    untuned = job.recipe.finetune.epochs == 0 and (is_typed("recipe.finetune.epochs") or not job.recipe.grant)
    if "val_accuracy" in names and untuned:
        raise ValueError("val_accuracy, of the fine-tuned network, is in no record of recipe.finetune.epochs=0")
