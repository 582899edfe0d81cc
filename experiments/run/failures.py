"""What an experiment raises: in one line that names the stage, its traceback in the run's folder."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from datamodules.decode import BrokenImageError
from experiments.config.refusal import refusals
from experiments.run.context import RunContext
from experiments.system import preemption
from experiments.system.redact import redact
from experiments.trainer import ranks
from pruning.files import durable
from pruning.files.durable import UnwritableError

FILE = "error.txt"


class FailedError(ValueError):
    """A value that did not fit, met after training had begun."""


@contextmanager
def running(context: RunContext) -> Iterator[None]:
    """Within, all processes of a run are there; asked to leave, it says what is kept."""
    preemption.request.can_resume = context.store.can_resume
    processes = ranks.process_group(context.settings.trainer, context.processes)
    with refusals((BrokenImageError, FailedError)), processes:
        yield


@contextmanager
def explain_failures(context: RunContext) -> Iterator[None]:
    """Of a ValueError one line is enough; a fault of ours keeps its traceback on the terminal too."""
    path = context.folder / FILE
    durable.refuse_folder(path)
    path.unlink(missing_ok=True)
    try:
        yield
    except UnwritableError:  # nothing can be written, and it says what
        raise
    except Exception as error:
        durable.write(path, redact(traceback.format_exc()).encode())
        if not isinstance(error, ValueError):
            raise
        raise FailedError(f"stage {last_stage(context)} failed: {error} (traceback: {path})") from error


def last_stage(context: RunContext) -> str:
    """The one that was begun last."""
    return context.store.visited[-1].name.rpartition("-")[0] if context.store.visited else "baseline"
