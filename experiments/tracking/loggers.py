"""Any of Lightning's loggers (tracking.loggers): TensorBoard, CSV, MLflow and their like get the same figures."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from lightning.pytorch.loggers import Logger

from experiments.config.hydra_versions import instantiate
from experiments.config.node import KEY, Node, leaves, plain
from experiments.config.schema import Settings
from experiments.records.json_value import JSON
from experiments.records.record import Record
from experiments.system.redact import redact
from experiments.tracking.figures import summary_figures
from experiments.tracking.sinks import PARTING, Lines, Sink, call_with_timeout, warn_on_error
from pruning.files import durable

FOLDER = "tracking"  # of a run: what `{folder}` in a logger's values stands for


class LoggerSink(Sink):
    """Everything from the first line on, in each process anew: loggers do not say what an earlier one has written."""

    def __init__(self, logger: Logger, settings: Settings) -> None:
        self.logger, self.name = logger, type(logger).__name__
        self.sent = 0
        self.failed = False
        self.attempt(lambda: logger.log_hyperparams(dict(leaves(redact(plain(settings))))))

    def publish(self, lines: Lines) -> None:
        self.attempt(lambda: self.send(lines))

    def finish(self, lines: Lines, record: Record | None) -> None:
        self.attempt(lambda: self.end(lines, record))

    def leave(self) -> None:
        self.attempt(partial(call_with_timeout, partial(self.logger.finalize, "failed"), PARTING))

    def send(self, lines: Lines) -> None:
        for line in lines[self.sent :]:
            self.sent += 1
            self.logger.log_metrics(numbers(line), step=images_seen(line))
        self.logger.save()

    def end(self, lines: Lines, record: Record | None) -> None:
        self.send(lines)
        if record is not None:
            self.logger.log_metrics(numbers(summary_figures(record)), step=images_seen(lines[-1]) if lines else 0)
        self.logger.save()
        self.logger.finalize("success" if record else "failed")

    def attempt(self, call: Callable[[], object]) -> None:
        """Nothing more is tried after the first error."""
        if not self.failed:
            self.failed = True
            with warn_on_error(self.name, "nothing more is sent to it; metrics.jsonl has all figures"):
                call()
                self.failed = False


def build_loggers(nodes: Sequence[Node], run_folder: Path) -> list[Logger]:
    """Raises ValueError for one that cannot be made: its package is missing, or a value is not to its liking."""
    folder = run_folder / FOLDER
    return [build_logger(number, node, folder) for number, node in enumerate(nodes)]


def build_logger(number: int, node: Node, folder: Path) -> Logger:
    values = {name: fill_in(value, folder) for name, value in node.arguments.items()}
    try:
        logger = instantiate({KEY: node.target, **values}, _convert_="all")
    except Exception as error:  # of Hydra, around whatever the logger raises
        reason = " ".join(str(error.__cause__ or error).split())
        raise ValueError(f"tracking.loggers.{number}.{KEY}={node.target} cannot be made: {reason}") from error
    if not isinstance(logger, Logger):
        raise ValueError(
            f"tracking.loggers.{number}.{KEY}={node.target} makes a {type(logger).__name__}: a logger of "
            "lightning.pytorch.loggers is needed"
        )
    return logger


def clear_folder(run_folder: Path) -> None:
    """Of what an earlier process has written into it; that it is there says that loggers have been given a run."""
    shutil.rmtree(run_folder / FOLDER, ignore_errors=True)
    durable.make_folder(run_folder / FOLDER)


def fill_in(value: JSON, folder: Path) -> JSON:
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


def numbers(figures: Mapping[str, object]) -> dict[str, float]:
    return {key: float(value) for key, value in figures.items() if isinstance(value, int | float)}


def images_seen(line: Mapping[str, JSON]) -> int:
    return int(str(line["images_seen"]))
