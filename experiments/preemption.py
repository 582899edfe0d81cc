"""A request to leave: SIGTERM, or what a cluster sends before it takes the machine away. Imports no torch.

Between stages and while measuring, a run leaves at once; while it trains, at the next step, after a checkpoint of it.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # SLURM's --signal, submitit's
EXIT_CODE = 128 + signal.SIGTERM
ELSEWHERE = "a signal to another process"


class Preempted(BaseException):
    """Not an Exception: nothing on the way may take it for a fault and go on."""


class Request:
    """The one request of this process. A signal handler has no other place to put what it was told."""

    def __init__(self) -> None:
        self.by: str | None = None
        self.can_wait = False  # somebody looks at `by` before long

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The first one. Schedulers repeat themselves, and a second one would break into what the first makes us
        write on the way out."""
        if self.by is None:
            self.by = signal.Signals(number).name
            if not self.can_wait:
                self.obey()

    def obey(self) -> None:
        if self.by is not None:
            raise Preempted(f"preempted by {self.by}: the same command goes on from here")


request = Request()


def by_keyboard(error: BaseException) -> bool:
    """Ctrl-C, of which Lightning makes a SystemExit."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)


def listen() -> None:
    """In the main thread."""
    for number in SIGNALS:
        signal.signal(number, request.receive)


@contextmanager
def postponed() -> Iterator[None]:
    """What runs inside looks at the request itself, wherever it can leave without loss, or ends before long."""
    request.can_wait = True
    try:
        yield
    finally:
        request.can_wait = False
    request.obey()
