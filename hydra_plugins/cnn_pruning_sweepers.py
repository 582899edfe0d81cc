"""hydra/sweeper=grid, optuna. Hydra takes sweepers from no other package, and imports this file at every start: what
they do is in experiments/sweep/grid.py and experiments/search."""

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException


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

    def parse(self, arguments: Sequence[str]) -> list[Override]:
        return OverridesParser.create(config_loader=self.hydra_context.config_loader).parse_overrides(list(arguments))

    def try_out(self, overrides: Sequence[Override]) -> None:
        """Compose each value once, before the first job. What was probably meant is said in a line; Hydra has
        paragraphs."""
        from experiments.config.suggestions import refuse_with_suggestions
        from experiments.sweep import grid

        samples = [*grid.samples(overrides)]
        try:
            for sample in samples:
                self.compose(sample)
        except (HydraException, OmegaConfBaseException):
            refuse_with_suggestions(sys.argv[1:])
            raise


class Grid(LaunchingSweeper):
    """The default: Hydra's own composes every job before the first one begins."""

    def __init__(self, params: Mapping[str, str]) -> None:
        """`params`: what a file sweeps over; what is typed comes after it."""
        self.params = params

    def sweep(self, arguments: list[str]) -> None:
        from experiments.sweep import grid

        overrides = self.parse([*(f"{key}={value}" for key, value in self.params.items()), *arguments])
        self.try_out(overrides)
        self.launcher.launch(grid.expand(overrides), initial_job_idx=0)


class Search(LaunchingSweeper):
    def __init__(self, **values: object) -> None:
        """`values`: of conf/hydra/sweeper/optuna.yaml."""
        self.values = values

    def sweep(self, arguments: list[str]) -> None:
        if find_spec("optuna") is None:
            sys.exit("hydra/sweeper=optuna needs optuna: pip install 'cnn-pruning[optuna]'")
        self.try_out(
            [each for each in self.parse(arguments) if not each.is_sweep_override() or each.is_discrete_sweep()]
        )
        from experiments.search import study  # optuna loads here

        study.search(self.values, arguments, self.compose, self.launcher.launch)
