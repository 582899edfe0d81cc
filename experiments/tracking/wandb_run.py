"""Weights & Biases. The only place that writes with wandb."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

from experiments.config.node import plain
from experiments.config.schema import Settings
from experiments.config.typed_overrides import command
from experiments.evaluate.artifacts import NETWORK
from experiments.records.record import Record
from experiments.run.context import RunContext
from experiments.system import preemption
from experiments.system.activity import activity
from experiments.system.console import log
from experiments.system.format import si
from experiments.system.redact import redact
from experiments.tracking.figures import class_table, layer_table, summary_figures
from experiments.tracking.sinks import PARTING, Lines, Sink, call_with_timeout, warn_on_error

if TYPE_CHECKING:
    from wandb import Run

REACH = 20  # seconds to wait for a server: whoever cannot reach it is told within 30, but for a network that is sent
SLOWEST = 200_000  # bytes a second of an upload that is waited for: a server lost by then costs five minutes for 60 MB


class Offline(Sink):
    """One run, written from our files when the job ends: W&B's own offline file loses its last block on a kill."""

    def __init__(self, context: RunContext) -> None:
        self.context = context

    def finish(self, lines: Lines, record: Record | None) -> None:
        folder = self.context.folder / "wandb"
        if any(folder.glob("offline-run-*")) and not self.context.store.visited:  # the same finished run again
            return
        with warn_on_error("W&B", "nothing is written for it; metrics.jsonl has all figures"):
            shutil.rmtree(folder, ignore_errors=True)
            write_run(self.context, open_run(self.context, "offline"), lines, record)


class Online(Offline):
    """Epoch by epoch; the same command goes on where the run is. Whatever
    W&B does, the run goes on: after its first error nothing is sent any more, and all is written offline at the end."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        self.run: Run | None = None
        with self.dropped_on_error():
            call_with_timeout(self.begin, REACH)
        if self.run is not None:
            log(f"W&B: {self.run.url}")

    def begin(self) -> None:
        self.run = open_run(self.context, "online")

    @contextmanager
    def dropped_on_error(self) -> Iterator[None]:
        succeeded = False
        with warn_on_error("W&B", "going on offline"):
            yield
            succeeded = True
        if not succeeded:
            self.run = None
            with suppress(Exception):
                call_with_timeout(release_run, REACH)

    def publish(self, lines: Lines) -> None:
        if self.run is not None:
            with self.dropped_on_error():
                send(self.run, lines)

    def finish(self, lines: Lines, record: Record | None) -> None:
        if self.run is not None:
            with self.dropped_on_error():
                size = self.upload_size() if record else 0
                if size:
                    activity.begin(f"sending the network to W&B, {si(size)}B")
                wait = REACH + size / SLOWEST
                call_with_timeout(partial(write_run, self.context, self.run, lines, record), wait)
        if self.run is None:
            super().finish(lines, record)

    def upload_size(self) -> int:
        """Bytes that are sent besides figures."""
        files = self.context.folder.glob(f"{NETWORK}/*") if self.context.settings.tracking.artifact else ()
        return sum(file.stat().st_size for file in files)

    def leave(self) -> None:
        """A core that is killed has sent all but the last lines, which the same command sends."""
        if self.run is not None:
            with warn_on_error("W&B", "the same command goes on where its run is"):
                call_with_timeout(partial(self.run.finish, exit_code=1), PARTING)


SINKS: dict[str, tuple[type[Offline], ...]] = {"none": (), "offline": (Offline,), "online": (Online,)}


def release_run() -> None:
    """Whatever a failed run still holds: its id, its process."""
    import wandb

    wandb.teardown(exit_code=1)


def open_run(context: RunContext, mode: Literal["online", "offline"]) -> "Run":
    """Raises whatever W&B does, where its server cannot be reached or nobody is logged in."""
    os.environ["WANDB_DATA_DIR"] = os.environ["WANDB_CACHE_DIR"] = str((context.folder / "wandb").absolute())
    import wandb

    tracking = context.settings.tracking
    online = mode == "online"
    run = wandb.init(
        mode=mode,
        resume="allow" if online else None,
        settings=wandb.Settings(
            silent=True, console="off", init_timeout=REACH, x_disable_stats=not online, x_disable_meta=True
        ),
        config=redact(plain(context.settings)),
        tags=redact(tags(context.settings)),
        notes=redact(command()),
        job_type=context.settings.program,
        project=redact(tracking.project),
        entity=redact(tracking.entity),
        group=redact(tracking.group),
        name=redact(context.folder.name),
        id=context.digest[:16],
        dir=redact(str(context.folder)),
    )
    run.define_metric("images_seen", hidden=True)
    run.define_metric("epoch", hidden=True)
    run.define_metric("*", step_metric="epoch")
    return run


def tags(settings: Settings) -> list[str]:
    """What a dashboard is filtered by."""
    choice = settings.choice
    named = {
        "budget": choice.budget,
        "allocation": choice.allocation,
        "repair": ",".join(settings.repair.steps) or "none",
        "objective": choice.objective,
    }
    return [choice.method, choice.model, choice.data, *(f"{kind}:{name}" for kind, name in named.items())]


def write_run(context: RunContext, run: "Run", lines: Lines, record: Record | None) -> None:
    """The rest of the lines, the figures, and the end."""
    try:
        send(run, lines)
        if record is not None:
            summarise(run, record)
            if context.settings.tracking.artifact:
                add_artifact(run, context)
        elif preemption.request.signal_name is not None:
            run.mark_preempting()
    finally:
        run.finish(exit_code=0 if record else 1)


def send(run: "Run", lines: Lines) -> None:
    """Those that it does not have. `run.step` of a resumed one is 0 until its first line; `starting_step` is not."""
    for line in lines[max(run.step, run.starting_step) :]:
        run.log(line)


def summarise(run: "Run", record: Record) -> None:
    import wandb

    tables = {"layers": layer_table(record), "classes": class_table(record)}
    run.log({name: wandb.Table(columns=columns, data=rows) for name, (columns, rows) in tables.items()})
    run.summary.update(redact(summary_figures(record)))


def add_artifact(run: "Run", context: RunContext) -> None:
    """The folder that `pruning.load` reads."""
    import wandb

    artifact = wandb.Artifact(f"network-{context.digest[:16]}", type="model", description=redact(context.folder.name))
    artifact.add_dir(str(context.folder / NETWORK))
    run.log_artifact(artifact)
