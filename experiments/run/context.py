"""What `prepare` makes and every stage takes: one run, laid out and frozen."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float
from lightning import Callback
from torch import Tensor, nn

from datamodules.base import ClassificationData
from datamodules.dataset_spec import DatasetSpec
from experiments.config.digest import digest
from experiments.config.node import plain
from experiments.config.schema import Settings, Stage
from experiments.run.searches import budget_of_time
from experiments.run.store import Store
from experiments.system import hardware
from experiments.system.format import safe_file_name
from experiments.system.redact import redact
from experiments.trainer.execution import Execution, choose_execution
from pruning.methods.base import PruningMethod
from pruning.objectives import Objective

PROBE = 64  # images of the certificate and of the latency


@dataclass(frozen=True)
class PlanContext:
    """What the settings come to, wherever it is trained."""

    settings: Settings
    data: ClassificationData | DatasetSpec
    baseline_digest: str | None  # of what baseline= names
    network: nn.Module
    trained: bool  # all of it, by what baseline= names: no baseline stage
    method: PruningMethod
    objective: Objective
    recipes: dict[str, Stage]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.data.image_shape

    def steps(self, recipe: str) -> int:
        return self.recipes[recipe].epochs * len(self.data.train_dataloader())


@dataclass(frozen=True)
class RunContext(PlanContext):
    data: ClassificationData
    device: torch.device
    precision: str
    processes: int  # that share each batch, over all nodes
    store: Store
    tracker: Callback = field(default_factory=Callback)  # of metrics; the null form hears and does nothing

    @cached_property
    def digest(self) -> str:
        compiled = {recipe: self.execution(recipe).compiled for recipe in self.recipes}
        trained = {recipe: asdict(values) for recipe, values in self.recipes.items()}
        return digest("run", plain(self.settings), **self.content("run"), compiled=compiled, recipes=trained)

    def content(self, stage: str) -> dict[str, object]:
        """What a stage depends on beside the config. By a budget of time all that is pruned is of one machine."""
        timed_on = {"timed_on": hardware.timed_on()} if stage != "baseline" and budget_of_time(self.method) else {}
        identities = {"data": self.data.identity, "baseline": self.baseline_digest}
        machine = {
            "device": self.device.type,
            "processes": self.processes,
            "drivers": hardware.driver_versions(self.device),
        }
        return identities | machine | timed_on | {"precision": self.precision}

    def execution(self, recipe: str) -> Execution:
        images = self.recipes[recipe].epochs * self.data.sizes["train"]
        settings = self.settings
        return choose_execution(
            self.precision, settings.trainer.compile, self.device, images, settings.recipe.optimizer
        )

    def chooses_epoch(self, recipe: str) -> bool:
        """Whether validation picks the epoch. Gates are never picked half-way to their values."""
        fixed = recipe.startswith("prune") or self.settings.baseline is not None
        return self.settings.recipe.choose == "best" and self.data.sizes["val"] > 0 and not fixed

    @cached_property
    def probe(self) -> Float[Tensor, "b 3 h w"]:
        """Images without their labels: of validation where there is one, else of training, as training sees them.
        On the CPU, where certificates are made."""
        loader = self.data.val_dataloader() if self.data.sizes["val"] else self.data.train_dataloader()
        batches = [images for images, _ in islice(loader, -(-PROBE // self.settings.recipe.batch))]
        return torch.cat(batches)[:PROBE].cpu()

    @property
    def folder(self) -> Path:
        return Path(self.settings.folder) / f"{safe_file_name(redact(self.settings.name))}-{self.digest[:8]}"
