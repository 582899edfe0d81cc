"""The curves and the record of a run, to wherever the settings say, from our own files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from experiments.records import metrics
from experiments.records.record import Record
from experiments.run.context import RunContext
from experiments.system import preemption
from experiments.system.activity import activity
from experiments.tracking.curves import on_common_axes
from experiments.tracking.loggers import FOLDER, LoggerSink, clear_folder
from experiments.tracking.sinks import Lines, Sink
from experiments.tracking.wandb_run import SINKS
from pruning.files import durable


class Tracker(Callback):
    """metrics.jsonl in the run's folder, and its figures in every sink: epoch by epoch, and at the end."""

    def __init__(self, context: RunContext, sinks: Sequence[Sink]) -> None:
        self.context, self.sinks = context, sinks
        self.record: Record | None = None  # of a run that is complete

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        if self.sinks:
            lines = self.curves()
            for sink in self.sinks:
                sink.publish(lines)

    def finish(self, record: Record | None) -> None:
        """Once, when the job ends, unless somebody waits for the prompt."""
        self.write_curves()
        activity.begin("handing figures and curves to the tracker")
        for sink in self.sinks:
            sink.finish(self.curves(), record)
        activity.end()

    def leave(self) -> None:
        """After Ctrl-C: the same command goes on, and nothing is lost by what is left out here."""
        self.write_curves()
        for sink in self.sinks:
            sink.leave()

    def write_curves(self) -> None:
        if self.made_stages:
            durable.write(self.context.folder / "metrics.jsonl", metrics.encode(metrics.read(self.files())))

    @property
    def made_stages(self) -> bool:
        """False for a finished run that was asked for again."""
        return bool(self.context.store.visited)

    def curves(self) -> Lines:
        """Of all stages so far; of an earlier process where this one had nothing to make."""
        images, batch = self.context.data.sizes["train"], self.context.settings.recipe.batch
        return list(on_common_axes(metrics.read(self.files()), images, batch))

    def files(self) -> list[Path]:
        return [folder / "metrics.jsonl" for folder in self.context.store.visited or [self.context.folder]]


@contextmanager
def track(context: RunContext, loggers: Sequence[Logger], finished: bool) -> Iterator[Tracker]:
    """Give what this yields the record. It is finished or left in any case, else the next job of a sweep joins its run.

    `finished`: the run is complete, and asked for again.
    """
    durable.make_folder(context.folder)
    tracker = Tracker(context, build_sinks(context, loggers, finished))
    try:
        yield tracker
    except BaseException as error:
        if preemption.is_keyboard_interrupt(error):
            tracker.leave()
        else:
            tracker.finish(None)
        raise
    tracker.finish(tracker.record)


def build_sinks(context: RunContext, loggers: Sequence[Logger], finished: bool) -> list[Sink]:
    sinks: list[Sink] = [sink(context) for sink in SINKS[context.settings.tracking.mode]]
    if not loggers or (finished and (context.folder / FOLDER).exists()):  # they have it already
        return sinks
    clear_folder(context.folder)
    return [*sinks, *(LoggerSink(logger, context.settings) for logger in loggers)]
