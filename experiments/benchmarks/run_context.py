"""A run's tools for a benchmark, from the configuration `python run.py` takes; writes to temporary folders only."""

from tempfile import gettempdir

import torch
from hydra import compose
from hydra.core.global_hydra import GlobalHydra

from experiments.config import schema
from experiments.config.hydra_versions import open_configs
from experiments.config.settings import load_composition
from experiments.run.context import RunContext
from experiments.run.prepare import prepare

QUIETLY = (
    "data=noise",
    "data.val=0",
    "tracking=none",
    "trainer.compile=false",
    "trainer.progress=false",
    f"folder={gettempdir()}/benchmarks",
)


@torch.enable_grad()  # the dry run makes a step, whoever asks
def build_context(*overrides: str) -> RunContext:
    """Random images instead of data, and what the overrides say."""
    schema.register()
    GlobalHydra.instance().clear()
    with open_configs():
        config = compose("config", [*QUIETLY, *overrides, "hydra.mode=RUN"], return_hydra_config=True)
    return prepare(load_composition(config))
