"""hydra/sweeper=optuna. Hydra takes sweepers from no other package; what it does is in experiments/search."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Search(Sweeper):
    def __init__(self, **values: object) -> None:
        """`values`: of conf/hydra/sweeper/optuna.yaml."""
        self.values = values

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context = config, hydra_context
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> None:
        if find_spec("optuna") is None:
            sys.exit("hydra/sweeper=optuna needs optuna: pip install 'cnn-pruning[optuna]'")
        from experiments.search import study  # optuna loads here; Hydra imports every plugin at every start

        study.search(self.values, arguments, self.compose, self.launcher.launch)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The config that a job of these overrides will have."""
        return self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
