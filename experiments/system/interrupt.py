"""Ctrl-C is answered at once: Python's own handler waits for the step that torch is in. Imports no torch."""

import signal
import socket
import threading

from experiments.system.console import log

ANSWER = "interrupted: leaving at the end of this step"


def answer_at_once() -> None:
    """In the main thread. Another one hears of signals as they come; it says the first Ctrl-C, and raises nothing."""
    hearing, ringing = socket.socketpair()
    ringing.setblocking(False)
    signal.set_wakeup_fd(ringing.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=answer, args=(hearing, ringing), daemon=True).start()


def answer(hearing: socket.socket, ringing: socket.socket) -> None:
    """`ringing` is kept open by being here."""
    while number := hearing.recv(1):
        if number[0] == signal.SIGINT:
            log(ANSWER, "yellow")
            return
