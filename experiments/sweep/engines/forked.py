"""Jobs forked from a process that has imported what every run needs (multiprocessing's forkserver): the first step
comes seconds after a job's start, in a state like a fresh process's. No torch."""

import atexit
import multiprocessing
import os
import runpy
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.context import ForkServerProcess
from typing import final

from experiments.sweep import task
from experiments.sweep.task import Task
from experiments.system import checkout, gpus

SERVER = "experiments.sweep.engines.fork_server"
DEEPEST = 107 - len("/pymp-12345678/listener-12345678")  # of a socket's path Linux takes so many bytes
TICK = 0.1  # seconds
IMPORTED: list[threading.Event] = []  # at most one
BEGINNING = threading.Lock()
LOCK = threading.Lock()  # multiprocessing's table of children knows no threads: two would read one exit code


def can_fork(trainer: Mapping[str, object]) -> bool:
    """Not where a GPU is used, which no fork survives, nor where system libraries mind forks, nor where the server's
    socket would lie too deep for the kernel."""
    on_cpu = trainer["accelerator"] == "cpu" or (trainer["accelerator"] == "auto" and not gpus.visible_gpus(os.environ))
    return on_cpu and sys.platform == "linux" and len(os.fsencode(tempfile.gettempdir())) <= DEEPEST


@final
class ForkedChild:
    """As subprocess.Popen has it: pid, terminate, wait. The first one waits for the imports, unless `waiting`, which is
    called meanwhile, raises.

    Raises ChildProcessError: the process that it was to be forked from was killed."""

    def __init__(self, each: Task, waiting: Callable[[], None] = lambda: None) -> None:
        imported = begin_imports()
        while not imported.wait(TICK):
            waiting()
        each.log.write_bytes(b"")
        arguments = (each.command, each.cwd, task.environment(each), str(each.log))
        try:
            self.process = fork(run_command, arguments)
        except EOFError:
            raise ChildProcessError("the process that jobs are forked from was killed") from None
        self.pid: int = self.process.pid  # type: ignore[assignment] # it has been started

    def terminate(self) -> None:
        self.process.terminate()

    def wait(self) -> int:
        """The exit code, below 0 by a signal."""
        connection.wait([self.process.sentinel])
        with LOCK:
            self.process.join()
        return int(self.process.exitcode or 0)


def begin_imports() -> threading.Event:
    """Of this process's server, once. It is set when they are done, or the server has died of them: who forks then is
    told so. To fork waits for them and cannot be broken off, so a thread that nobody waits for forks first: nothing.
    """
    with BEGINNING:
        if not IMPORTED:
            IMPORTED.append(threading.Event())
            threading.Thread(target=fork_nothing, args=(IMPORTED[0],), daemon=True).start()
        return IMPORTED[0]


def fork_nothing(imported: threading.Event) -> None:
    with suppress(EOFError, OSError):
        fork(do_nothing, ()).join()
    imported.set()


def do_nothing() -> None:
    pass


def fork(target: Callable[..., None], arguments: tuple[object, ...]) -> ForkServerProcess:  # type: ignore[explicit-any]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([SERVER])
    process = context.Process(target=target, args=arguments)
    with LOCK, server_environment():
        process.start()
    return process


@contextmanager
def server_environment() -> Iterator[None]:
    """Where the server finds this program, whatever the current folder holds."""
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    others = (before["PYTHONPATH"],) if before["PYTHONPATH"] else ()
    os.environ |= {"PYTHONPATH": os.pathsep.join([str(checkout.ROOT), *others]), "PYTHONSAFEPATH": "1"}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def run_command(command: Sequence[str], cwd: str, environment: Mapping[str, str], log: str) -> None:
    """In the child: `python run.py ...` or `python -m pruning ...`, in a session of its own."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr] # Python's own, before anybody wraps them
    os.close(output)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.orig_argv, sys.argv = list(command), list(command[1:])
    try:
        if command[1] == "-m":
            sys.argv = list(command[2:])
            runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(command[1], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # before Python 3.13 a forked child leaves them out, and temporary folders behind
