"""Curves and record to Weights & Biases, from our own files. The only place that writes with wandb."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Literal

from lightning import Callback, LightningModule, Trainer

from experiments.config.node import plain
from experiments.records import metrics
from experiments.records.json_value import JSON
from experiments.records.record import Record
from experiments.report.load.runs import SCRATCH
from experiments.run.context import RunContext
from experiments.run.rounds import plan_rounds
from experiments.system.console import log
from experiments.system.redact import redact
from pruning.files import durable

if TYPE_CHECKING:
    from wandb import Run

REACH = 20  # seconds to wait for a server: whoever cannot reach it is told within 30


class Tracker(Callback):
    """tracking=none: metrics.jsonl in the run's folder, nothing else."""

    def __init__(self, context: RunContext) -> None:
        self.context, self.folder = context, context.folder
        self.record: Record | None = None  # of a run that is complete

    def lines(self) -> list[dict[str, JSON]]:
        """All figures of all stages so far; of an earlier process where this one had nothing to make."""
        return list(metrics.read([folder / "metrics.jsonl" for folder in self.context.store.visited or [self.folder]]))

    def finish(self, record: Record | None) -> None:
        """Once, when the job ends, however it ends."""
        if self.context.store.visited:
            durable.write(self.folder / "metrics.jsonl", metrics.encode(self.lines()))


class Offline(Tracker):
    """One run, written from our files when the job ends: W&B's own offline file loses its last block on a kill."""

    def finish(self, record: Record | None) -> None:
        super().finish(record)
        folder = self.folder / "wandb"
        if any(folder.glob("offline-run-*")) and not self.context.store.visited:  # the same finished run again
            return
        with warn_on_error("nothing is written for it; metrics.jsonl has all figures"):
            shutil.rmtree(folder, ignore_errors=True)
            write_run(open_run(self.context, "offline"), self.lines(), record)


class Online(Offline):
    """Epoch by epoch; `run.step` counts the lines already there, so the same command goes on where the run is. Whatever
    W&B does, the run goes on: after its first error nothing is sent any more, and all is written offline at the end."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        self.run: Run | None = None
        with self.dropped_on_error():
            call_with_timeout(self.begin)

    def begin(self) -> None:
        self.run = open_run(self.context, "online")

    @contextmanager
    def dropped_on_error(self) -> Iterator[None]:
        succeeded = False
        with warn_on_error("going on offline"):
            yield
            succeeded = True
        if not succeeded:
            self.run = None
            with suppress(Exception):
                call_with_timeout(release_run)

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        if self.run is not None:
            with self.dropped_on_error():
                publish(self.run, self.lines())

    def finish(self, record: Record | None) -> None:
        if self.run is not None:
            Tracker.finish(self, record)
            with self.dropped_on_error():
                call_with_timeout(partial(write_run, self.run, self.lines(), record))
        if self.run is None:
            super().finish(record)


@contextmanager
def warn_on_error(consequence: str) -> Iterator[None]:
    """No error of W&B, of its server or of its process is an error of the run: one line says it."""
    try:
        yield
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        log(f"W&B has failed ({reason}): {consequence}", "yellow")


def call_with_timeout(call: Callable[[], object]) -> None:
    """Raises TimeoutError for what waits for a server in vain; it is left to its thread."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(REACH)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {REACH} seconds")
    if errors:
        raise errors[0]


IN_NO_SUMMARY = ("answers", "accuracy_by_class")  # of a network: bits, and a table of its own
TRACKERS = {"none": Tracker, "offline": Offline, "online": Online}


@contextmanager
def track(context: RunContext) -> Iterator[Tracker]:
    """Give what this yields the record. It is finished in any case, else the next job of a sweep joins its run."""
    durable.make_folder(context.folder)
    tracker = TRACKERS[context.settings.tracking.mode](context)
    try:
        yield tracker
    finally:
        tracker.finish(tracker.record)


def release_run() -> None:
    """Whatever a failed run still holds: its id, its process."""
    import wandb

    wandb.teardown(exit_code=1)


def open_run(context: RunContext, mode: Literal["online", "offline"]) -> "Run":
    """Raises whatever W&B does, where its server cannot be reached or nobody is logged in."""
    os.environ["WANDB_DATA_DIR"] = os.environ["WANDB_CACHE_DIR"] = str((context.folder / "wandb").absolute())
    import wandb

    tracking, choice = context.settings.tracking, context.settings.choice
    run = wandb.init(
        mode=mode,
        resume="allow" if mode == "online" else None,
        settings=wandb.Settings(
            silent=True, console="off", init_timeout=REACH, x_disable_stats=True, x_disable_meta=True
        ),
        config=redact(plain(context.settings)),
        tags=redact([choice.method, choice.model, choice.data]),
        project=redact(tracking.project),
        entity=redact(tracking.entity),
        group=redact(tracking.group),
        name=redact(context.folder.name),
        id=context.digest[:16],
        dir=redact(str(context.folder)),
    )
    rounds = [name for stages in plan_rounds(context) for name in stages]
    for stage in ("baseline", *rounds, "scratch", "scratch_tune"):
        run.define_metric(f"{stage}/step", hidden=True)
        run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
    return run


def write_run(run: "Run", lines: list[dict[str, JSON]], record: Record | None) -> None:
    """The rest of the lines, the figures, and the end."""
    try:
        publish(run, lines)
        if record is not None:
            summarise(run, record)
    finally:
        run.finish(exit_code=0 if record else 1)


def publish(run: "Run", lines: list[dict[str, JSON]]) -> None:
    for line in lines[run.step :]:
        stage = line["stage"]
        run.log({f"{stage}/{key}": value for key, value in line.items() if key != "stage"})


def summarise(run: "Run", record: Record) -> None:
    import wandb

    tables = {"layers": layer_table(record), "classes": class_table(record)}
    run.log({name: wandb.Table(columns=columns, data=rows) for name, (columns, rows) in tables.items()})
    run.summary.update(redact(summary_figures(record)))


Columns = list[str | int]  # as wandb types it
Rows = list[list[object]]


def layer_table(record: Record) -> tuple[Columns, Rows]:
    columns: Columns = ["layer", "filters kept", "filters", "kernels kept", "kernels"]
    return columns, [
        [name, layer.filters_kept, layer.filters_total, layer.kernels_kept, layer.kernels_total]
        for name, layer in record.layers.items()
    ]


def class_table(record: Record) -> tuple[Columns, Rows]:
    """Accuracy by class of each network that there is."""
    by_network = {
        name: network.accuracy_by_class
        for name in ("dense", "pruned", "repaired", "tuned", "scratch")
        if (network := getattr(record, name)) is not None and network.accuracy_by_class is not None
    }
    columns: Columns = ["class", *by_network]
    return columns, [list(row) for row in zip(redact(record.classes), *by_network.values(), strict=True)]


def summary_figures(record: Record) -> dict[str, object]:
    """The record's figures, flat, and what `tuned` cost in all, without what stands elsewhere in a W&B run."""
    values = asdict(record)
    written_elsewhere = ("config", "layers", "stages", "classes", "versions", "command", "modified")
    flat = dict(flatten_figures({key: value for key, value in values.items() if key not in written_elsewhere}))
    stages = {
        f"{stage['name']}/{key}": stage[key]
        for stage in values["stages"]
        for key in ("epochs", "seconds", "train_macs")
    }
    tuned_stages = [stage for stage in record.stages if stage.name not in SCRATCH]
    total = {key: sum(getattr(stage, key) for stage in tuned_stages) for key in ("seconds", "train_macs")}
    return flat | stages | total


def flatten_figures(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten_figures(value, f"{path}{key}/")
        elif key not in IN_NO_SUMMARY:
            yield path + key, value
