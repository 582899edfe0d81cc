"""What the process that jobs are forked from (multiprocessing's forkserver) imports first: it leaves the driver's
terminal and its pipes, then loads what every run needs. No thread, no GPU: neither outlives a fork."""

import contextlib
import gc
import os
from importlib import import_module

MODULES: tuple[str, ...] = ("experiments.program", "experiments.pipeline", "experiments.plan")
MODULES += ("sklearn.datasets",)  # of data=digits, the default

os.setsid()
null_device = os.open(os.devnull, os.O_RDWR)
for stream in range(3):
    os.dup2(null_device, stream)
os.close(null_device)
for name in MODULES:
    with contextlib.suppress(Exception):  # each job says for itself, in its log, what cannot be imported
        import_module(name)
gc.freeze()  # a collection in a child would touch, and so copy, all of it
