"""Where a tracker's figures go."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from experiments.records.json_value import JSON
from experiments.records.record import Record
from experiments.system.console import log

Lines = Sequence[dict[str, JSON]]  # all so far, on the axes of curves.py


class Sink(ABC):
    """Is given all lines each time, and knows how many it has."""

    def publish(self, lines: Lines) -> None:  # noqa: B027 # the null form waits for the end
        """After each epoch."""

    @abstractmethod
    def finish(self, lines: Lines, record: Record | None) -> None:
        """Once, when the job ends, however it ends: the record only of a run that is complete."""


@contextmanager
def warn_on_error(name: str, consequence: str) -> Iterator[None]:
    """No error of a tracker, of its server or of its process is an error of the run: one line says it."""
    try:
        yield
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        log(f"{name} has failed ({reason}): {consequence}", "yellow")
