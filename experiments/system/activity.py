"""What goes on while nothing else is to be seen: a spinner with its seconds in a terminal; elsewhere a line, once it
lasts. Imports no torch."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from experiments.system.console import console, log

PATIENCE = 2.0  # seconds without a word


@final
class Activity:
    """One at a time; the next one ends the one before. Seen only within `shown`, which the command line is in."""

    def __init__(self) -> None:
        self.is_shown = False
        self.spinner: Progress | None = None
        self.timer: threading.Timer | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        self.is_shown = True
        try:
            yield
        finally:
            self.end()
            self.is_shown = False

    def begin(self, words: str) -> None:
        self.end()
        if self.is_shown and console.is_terminal:
            self.spinner = draw_spinner(words)
        elif self.is_shown:
            self.timer = threading.Timer(PATIENCE, log, [f"{words} ..."])
            self.timer.daemon = True
            self.timer.start()

    def end(self) -> None:
        if self.spinner is not None:
            self.spinner.stop()
        if self.timer is not None:
            self.timer.cancel()
        self.spinner = self.timer = None


def draw_spinner(words: str) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    spinner = Progress(*columns, console=console, transient=True, refresh_per_second=4)
    spinner.add_task(words, total=None)
    spinner.start()
    return spinner


activity = Activity()  # of this process, as `console` is
