"""The curves of a stage, written line by line into its metrics.jsonl."""

from pathlib import Path

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from experiments.records.metrics import encode, read
from pruning.files import durable


class MetricsFile(Logger):
    """A Lightning logger that appends to one file of a stage."""

    def __init__(self, path: Path, stage: str) -> None:
        super().__init__()
        self.path, self.stage = path, stage

    @property
    def name(self) -> str:
        return self.stage

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *args: object, **kwargs: object) -> None:
        """The resolved config stands in the record."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        line = {
            "stage": self.stage,
            "step": (step or 0) + 1,
            **metrics,
        }  # Lightning counts from 0: steps done, not index
        durable.append(self.path, encode([line]))

    def rewind(self, steps: int) -> None:
        """Keeps the lines of the first `steps` steps: what was written after the checkpoint comes again."""
        lines = [line for line in read([self.path]) if isinstance(line["step"], int) and line["step"] <= steps]
        durable.write(self.path, encode(lines))
