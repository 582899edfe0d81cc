"""hydra/sweeper=grid, the default: Hydra's own composes every job before the first one begins. Hydra takes sweepers
from no other package; what it does is in experiments/sweep/grid.py."""

from collections.abc import Mapping

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class Grid(Sweeper):
    def __init__(self, params: Mapping[str, str]) -> None:
        """`params`: what a file sweeps over; what is typed comes after it."""
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context = config, hydra_context
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> None:
        from experiments.sweep import grid

        loader = self.hydra_context.config_loader
        asked = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(asked)
        for sample in grid.samples(overrides):
            loader.load_sweep_config(self.config, sample)
        self.launcher.launch(grid.expand(overrides), initial_job_idx=0)
