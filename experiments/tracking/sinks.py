"""Where a tracker's figures go."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from experiments.records.json_value import JSON
from experiments.records.record import Record
from experiments.system.console import log

Lines = Sequence[dict[str, JSON]]  # all so far, on the axes of curves.py

PARTING = 1.0  # seconds that a tracker is given after Ctrl-C


class Sink(ABC):
    """Is given all lines each time, and knows how many it has."""

    def publish(self, lines: Lines) -> None:  # noqa: B027 # the null form waits for the end
        """After each epoch."""

    @abstractmethod
    def finish(self, lines: Lines, record: Record | None) -> None:
        """Once, when the job ends: the record only of a run that is complete."""

    def leave(self) -> None:  # noqa: B027 # the null form has nothing open
        """Instead, where somebody waits for the prompt: the same command goes on, and gives a tracker all of it."""


@contextmanager
def warn_on_error(name: str, consequence: str) -> Iterator[None]:
    """No error of a tracker, of its server or of its process is an error of the run: one line says it."""
    try:
        yield
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        log(f"{name} has failed ({reason}): {consequence}", "yellow")


def call_with_timeout(call: Callable[[], object], seconds: float) -> None:
    """Raises TimeoutError for what waits for a server in vain; it is left to its thread."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    if errors:
        raise errors[0]
