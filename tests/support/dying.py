"""The tiny run, which may die on its way in any way that processes have."""

import os
import signal
from typing import Any

from datamodules.batches import BatchLoader
from support.tiny_run import Quadrants


def interrupt() -> None:
    raise KeyboardInterrupt


def fail(error: BaseException) -> None:
    raise error


DEATHS = {
    "no": lambda: None,
    "exception": lambda: fail(RuntimeError("power cut")),
    "exit0": lambda: fail(SystemExit(0)),
    "exit3": lambda: fail(SystemExit(3)),
    "exit_words": lambda: fail(SystemExit("no licence for this data")),
    "interrupt": interrupt,
    "memory": lambda: fail(MemoryError()),
    "os_exit": lambda: os._exit(7),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
}


class Dying(Quadrants):
    def __init__(self, death: str, **others: Any) -> None:
        super().__init__(**others)
        self.death = death

    def train_batches(self, batches: Any, epoch: int) -> BatchLoader:
        """In the second epoch of the baseline."""
        if self.trainer is not None and epoch == 1:
            DEATHS[self.death]()
        return super().train_batches(batches, epoch)
