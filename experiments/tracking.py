"""Curves and record to Weights & Biases, from our own files. The only place that writes with wandb."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from lightning import Callback, LightningModule, Trainer

from experiments import metrics
from experiments.bench import Bench
from experiments.record import Record
from experiments.redact import hidden
from experiments.report.runs import SCRATCH
from experiments.terminal import say
from pruning import durable

REACH = 20  # seconds to wait for a server: whoever cannot reach it is told within 30


class Tracker(Callback):
    """tracking=none: metrics.jsonl in the run's folder, nothing else."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.folder = bench, bench.folder

    def lines(self) -> list[dict[str, Any]]:
        """All figures of all stages so far; of an earlier process where this one had nothing to make."""
        return list(metrics.read([folder / "metrics.jsonl" for folder in self.bench.store.visited or [self.folder]]))

    def finish(self, record: Record | None) -> None:
        """Once, when the job ends, however it ends."""
        if self.bench.store.visited:
            durable.write(self.folder / "metrics.jsonl", metrics.encode(self.lines()))


class Offline(Tracker):
    """One run, written from our files when the job ends: W&B's own offline file loses its last block on a kill."""

    def finish(self, record: Record | None) -> None:
        super().finish(record)
        written = self.folder / "wandb"
        if written.exists() and not self.bench.store.visited:  # the same finished run again
            return
        shutil.rmtree(written, ignore_errors=True)
        self.write(open_run(self.bench, "offline"), record)

    def write(self, run: Any, record: Record | None) -> None:
        try:
            publish(run, self.lines())
            if record is not None:
                summarise(run, record)
        finally:
            run.finish(exit_code=0 if record else 1)


class Online(Offline):
    """Epoch by epoch; `run.step` counts the lines already there, so the same command goes on where the run is."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.run = open_run(bench, "online")

    def on_train_epoch_end(self, trainer: Trainer, task: LightningModule) -> None:
        publish(self.run, self.lines())

    def finish(self, record: Record | None) -> None:
        Tracker.finish(self, record)
        self.write(self.run, record)


TRACKERS = {"none": Tracker, "offline": Offline, "online": Online}


@contextmanager
def tracked(bench: Bench) -> Iterator[list[Record]]:
    """Append the record to what this yields. The run is finished in any case, else the next job of a sweep joins it."""
    bench.folder.mkdir(parents=True, exist_ok=True)
    tracker = TRACKERS[bench.settings.tracking.mode](bench)
    bench.watchers.append(tracker)
    records: list[Record] = []
    try:
        yield records
    finally:
        tracker.finish(records[0] if records else None)


def open_run(bench: Bench, mode: str) -> Any:
    """Falls back to offline when the server cannot be reached or nobody is logged in."""
    os.environ["WANDB_DATA_DIR"] = os.environ["WANDB_CACHE_DIR"] = str((bench.folder / "wandb").absolute())
    import wandb

    asked, choice = bench.settings.tracking, bench.settings.choice
    arguments: dict[str, Any] = hidden(
        {
            "project": asked.project,
            "entity": asked.entity,
            "group": asked.group,
            "name": bench.folder.name,
            "id": bench.digest[:16],
            "tags": [choice.method, choice.model, choice.data],
            "config": bench.values,
            "dir": str(bench.folder),
            "settings": wandb.Settings(
                silent=True, console="off", init_timeout=REACH, x_disable_stats=True, x_disable_meta=True
            ),
        }
    )
    try:
        run = wandb.init(mode=mode, resume="allow" if mode == "online" else None, **arguments)  # type: ignore[arg-type]
    except wandb.Error as error:
        say(f"W&B cannot be reached ({str(error).splitlines()[0]}): going on offline", "yellow")
        wandb.teardown()  # the failed run still holds the id
        run = wandb.init(mode="offline", **arguments)
    for stage in ("baseline", "prune", "finetune", "scratch", "scratch_tune"):
        run.define_metric(f"{stage}/step", hidden=True)
        run.define_metric(f"{stage}/*", step_metric=f"{stage}/step")
    return run


def publish(run: Any, lines: list[dict[str, Any]]) -> None:
    for line in lines[run.step :]:
        stage = line["stage"]
        run.log({f"{stage}/{key}": value for key, value in line.items() if key != "stage"})


def summarise(run: Any, record: Record) -> None:
    import wandb

    columns: list[str | int] = ["layer", "filters kept", "filters", "kernels kept", "kernels"]
    rows = [
        [name, each.filters_kept, each.filters_total, each.kernels_kept, each.kernels_total]
        for name, each in record.layers.items()
    ]
    run.log({"layers": wandb.Table(columns=columns, data=rows)})
    run.summary.update(hidden(figures(record)))


def figures(record: Record) -> dict[str, Any]:
    """The record's figures, flat, and what `tuned` cost in all, without what stands elsewhere in a W&B run."""
    values = asdict(record)
    elsewhere = ("config", "layers", "stages", "classes", "versions", "command", "modified")
    flat = dict(flatten({key: value for key, value in values.items() if key not in elsewhere}))
    stages = {
        f"{stage['name']}/{key}": stage[key]
        for stage in values["stages"]
        for key in ("epochs", "seconds", "train_macs")
    }
    own = [stage for stage in record.stages if stage.name not in SCRATCH]
    total = {key: sum(getattr(stage, key) for stage in own) for key in ("seconds", "train_macs")}
    return flat | stages | total


def flatten(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{path}{key}/")
        elif key != "answers":
            yield path + key, value
