"""The further processes of one run on this machine: started, met, and never left behind. Imports no torch.

Started by hand: Lightning's launcher has an observer that kills (SIGKILL) all processes within 5 s of a child's death,
a checkpoint that is being written included, and its rendezvous hears no signal.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from experiments.system import preemption

GRACE = 10  # seconds in which the others may end by themselves
READY_PIPE = "CNN_PRUNING_ARRIVED"  # environment of a further process: where it says that it has come as far as we

Child = subprocess.Popen[bytes]


@contextmanager
def run_child_ranks(numbers: Iterable[int]) -> Iterator[None]:
    """Within, the same command runs once more for each number, and has met us; afterwards it has ended."""
    children: list[Child] = []
    try:
        read_ends = []
        with preemption.postpone_exit():  # leaving now would lose a child that is not yet known
            for number in numbers:
                child, read_end = start_child(number)
                children.append(child)
                read_ends.append(read_end)
        for child, read_end in zip(children, read_ends, strict=True):
            wait_until_ready(child, read_end)
        threading.Thread(target=watch_children, args=(children,), daemon=True).start()
        yield
    except BaseException:  # they would wait for this process
        stop_children(children)
        raise
    for child in children:
        child.wait()


def start_child(number: int) -> tuple[Child, int]:
    """And the end of a pipe at which it is heard."""
    read_end, write_end = os.pipe()
    environment = os.environ | {"LOCAL_RANK": str(number), READY_PIPE: str(write_end)}
    child = subprocess.Popen(sys.orig_argv, env=environment, pass_fds=[write_end])
    os.close(write_end)
    return child, read_end


def wait_until_ready(child: Child, read_end: int) -> None:
    """Here and not in torch's rendezvous, which hears no signal and waits half an hour for one that has died."""
    with open(read_end, "rb") as pipe:
        if pipe.read(1):
            return
    code = child.wait()
    if preemption.left_on_request(code):
        preemption.request.signal_name = preemption.OTHER_PROCESS
        preemption.request.raise_if_requested()
    raise RuntimeError(f"a further process of this run ended before it had begun, with exit code {code}: see above")


def signal_ready() -> None:
    """In a further process. Raises BrokenPipeError where the one that started it is gone."""
    write_end = os.environ.pop(READY_PIPE, None)
    if write_end is not None:
        with open(int(write_end), "wb") as pipe:
            pipe.write(b".")


def stop_children(children: list[Child]) -> None:
    for child in children:
        child.terminate()
    limit = time.monotonic() + GRACE
    for child in children:
        try:
            child.wait(max(0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def watch_children(children: list[Child]) -> None:
    """When one has died, the others would wait for it in their next exchange: for ever with some backends."""
    while not any(child.poll() for child in children):
        time.sleep(1)
    time.sleep(GRACE)
    if preemption.request.signal_name is not None:  # all were asked to leave; this one has still to write
        return
    print("one process of this run has died, and the others did not end: stopping them", file=sys.stderr, flush=True)
    for child in children:
        child.kill()
    os._exit(1)
