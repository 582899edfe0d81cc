"""What an experiment raises: in one line that names the stage, its traceback in the run's folder."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from experiments.run.bench import Bench
from experiments.system.redact import hidden
from pruning.files import durable
from pruning.files.durable import UnwritableError

FILE = "error.txt"


class FailedError(ValueError):
    """A value that did not fit, met after training had begun."""


@contextmanager
def explained(bench: Bench) -> Iterator[None]:
    """Of a ValueError one line is enough; a fault of ours keeps its traceback on the terminal too."""
    path = bench.folder / FILE
    durable.refuse_folder(path)
    path.unlink(missing_ok=True)
    try:
        yield
    except UnwritableError:  # nothing can be written, and it says what
        raise
    except Exception as error:
        durable.write(path, hidden(traceback.format_exc()).encode())
        if not isinstance(error, ValueError):
            raise
        raise FailedError(f"stage {stage(bench)} failed: {error} (traceback: {path})") from error


def stage(bench: Bench) -> str:
    """The one that was begun last."""
    return bench.store.visited[-1].name.rpartition("-")[0] if bench.store.visited else "baseline"
