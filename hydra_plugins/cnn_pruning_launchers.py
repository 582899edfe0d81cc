"""hydra/launcher=local, slurm, ray. Hydra takes launchers from no other package, and imports this file at every start:
what they do is in experiments/sweep."""

from collections.abc import Sequence
from importlib import import_module
from typing import ClassVar

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class EngineLauncher(Launcher):
    """Is handed the list of jobs; an engine runs each as a process of its own, and says how it ended."""

    engine: ClassVar[str]  # module

    def __init__(self, **values: object) -> None:
        """`values`: of conf/hydra/launcher/*.yaml."""
        self.values = values

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from experiments.sweep import launch

        self.config, self.hydra_context = config, hydra_context
        self.sweep = launch.begin(config, import_module(f"experiments.sweep.engines.{self.engine}"), self.values)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        return self.sweep.launch([list(overrides) for overrides in job_overrides], self.compose)

    def compose(self, overrides: list[str]) -> DictConfig:
        return self.hydra_context.config_loader.load_sweep_config(self.config, overrides)


class LocalLauncher(EngineLauncher):
    engine = "local"


class SlurmLauncher(EngineLauncher):
    engine = "slurm"


class RayLauncher(EngineLauncher):
    engine = "ray"
