"""hydra/sweeper=grid, optuna. Hydra takes sweepers from no other package, and imports this file at every start: what
they do is in experiments/config/grid.py and experiments/search."""

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LaunchingSweeper(Sweeper):
    """Hands what it proposes to the launcher."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context = config, hydra_context
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The config that a job of these overrides will have."""
        return self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))


class Grid(LaunchingSweeper):
    """The default: Hydra's own composes every job before the first one begins."""

    def __init__(self, params: Mapping[str, str]) -> None:
        """`params`: what a file sweeps over; what is typed comes after it."""
        self.params = params

    def sweep(self, arguments: list[str]) -> None:
        from experiments.config import grid

        asked = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        overrides = OverridesParser.create(config_loader=self.hydra_context.config_loader).parse_overrides(asked)
        for sample in grid.samples(overrides):
            self.compose(sample)
        self.launcher.launch(grid.expand(overrides), initial_job_idx=0)


class Search(LaunchingSweeper):
    def __init__(self, **values: object) -> None:
        """`values`: of conf/hydra/sweeper/optuna.yaml."""
        self.values = values

    def sweep(self, arguments: list[str]) -> None:
        if find_spec("optuna") is None:
            sys.exit("hydra/sweeper=optuna needs optuna: pip install 'cnn-pruning[optuna]'")
        from experiments.search import study  # optuna loads here

        study.search(self.values, arguments, self.compose, self.launcher.launch)
