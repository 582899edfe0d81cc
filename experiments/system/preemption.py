"""A request to leave: SIGTERM, a terminal that is closed, or what a cluster sends before it takes the machine away or
when the processor time is used up. Imports no torch.

Between stages and while measuring, a run leaves at once; while it trains, at the next step, after a checkpoint of it.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

SIGNALS = (
    *(signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU),
    *(signal.SIGUSR1, signal.SIGUSR2),  # SLURM's --signal, submitit's
)
EXIT_CODE = 128 + signal.SIGTERM
OTHER_PROCESS = "a signal to another process"


class Preempted(BaseException):
    """Not an Exception: nothing on the way may take it for a fault and go on."""


class Child(Protocol):
    def terminate(self) -> None: ...


class Request:
    """The one request of this process. A signal handler has no other place to put what it was told."""

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self.is_polled = False  # somebody looks at `signal_name` before long
        self.children: Callable[[], Iterable[Child]] = tuple  # who leaves with us, and is waited for before we do
        self.can_resume: Callable[[], bool] = lambda: False  # whether the same command finds something to go on from

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The first one. Schedulers repeat themselves, and a second one would break into what the first makes us
        write on the way out."""
        if self.signal_name is None:
            self.signal_name = signal.Signals(number).name
            children = list(self.children())
            for child in children:
                child.terminate()
            if not (self.is_polled or children):
                self.raise_if_requested()

    def raise_if_requested(self) -> None:
        if self.signal_name is not None:
            raise Preempted(add_remedy(f"preempted by {self.signal_name}"))


def add_remedy(end: str) -> str:
    """How it ended, and what to do then: true wherever it is said."""
    remedy = "the same command does what is left"
    return f"{end}: {remedy if request.can_resume() else 'nothing new was kept, give the same command again'}"


request = Request()


def is_keyboard_interrupt(error: BaseException) -> bool:
    """Ctrl-C, of which Lightning makes a SystemExit."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)


def exit_reason(error: SystemExit) -> str:
    """Who calls sys.exit(words) says why; of a number there is no more to tell."""
    if error.code is None or isinstance(error.code, int):
        return f"ended with exit code {int(error.code or 0)} before the run was complete"
    return " ".join(str(error.code).split()) or "ended without a word before the run was complete"


def install_handlers() -> None:
    """In the main thread. A closed terminal that is ignored stays so: nohup has asked for it."""
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, request.receive)


def install_worker_handlers() -> None:
    """In a launcher's process, which may have handlers of its own. It stays and takes no further work: launchers kill
    the other workers where one has ended."""
    request.is_polled = True
    for number in SIGNALS:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, request.receive)


def left_on_request(exit_code: int) -> bool:
    """Whether a child with this exit code left on request, or was asked before it could listen."""
    return exit_code == EXIT_CODE or -exit_code in SIGNALS


@contextmanager
def postpone_exit() -> Iterator[None]:
    """What runs inside looks at the request itself, wherever it can leave without loss, or ends before long."""
    was_polled, request.is_polled = request.is_polled, True
    try:
        yield
    finally:
        request.is_polled = was_polled
    request.raise_if_requested()
