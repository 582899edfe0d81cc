"""How long a small network takes beside the dense one, by turns: in this process, or in a fresh one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch import nn

from pruning.deploy.runtimes import RUNTIMES, Shape, prepare_onnx
from pruning.files import export
from pruning.timing import Ratio, Times, Work, processor_clock, time_by_turns

ROUNDS, WARM, SECONDS = 15, 2, 0.5
ATTEMPTS, GOOD = 4, 0.01  # so often the rounds are made again, until the ratio is known to this share
CPU = torch.device("cpu")
ONNX = "onnxruntime"
NAMES = ("dense", "small")


class Paired(NamedTuple):
    """Milliseconds of the dense network, and what share of its time the small one takes, round by round."""

    dense_ms: float
    share: Ratio

    @property
    def ms(self) -> float:
        return self.share.value * self.dense_ms


Timer = Callable[[nn.Module, nn.Module, Shape], Paired]  # dense, small, (channels, height, width)


@dataclass(frozen=True)
class Conditions:
    """What is timed: one of RUNTIMES, images at once, threads."""

    runtime: str
    batch: int
    threads: int

    def __str__(self) -> str:
        return f"{self.runtime}, batch {self.batch}, {self.threads} thread{'s' * (self.threads > 1)}"

    def prepare(self, network: nn.Module, shape: Shape) -> Work:
        return RUNTIMES[self.runtime](network.eval(), shape, (self.batch,), CPU)[self.batch]


class Stopwatch:
    """A `Timer` of this process. The dense network is prepared once."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self._dense: tuple[nn.Module, Work] | None = None

    def __call__(self, dense: nn.Module, small: nn.Module, shape: Shape) -> Paired:
        with use_threads(self.conditions.threads), torch.no_grad():
            if self._dense is None or self._dense[0] is not dense:
                self._dense = dense, self.conditions.prepare(dense, shape)
            return time_pair(self._dense[1], self.conditions.prepare(small, shape), self.conditions.threads)


def time_in_fresh_process(dense: nn.Module, small: nn.Module, shape: Shape, conditions: Conditions) -> Paired:
    """Nothing that this process has done before, and no choice by an earlier timing, is in it.

    Raises:
        ValueError: the process failed; its last words are given.
    """
    with TemporaryDirectory() as folder:
        for name, network in zip(NAMES, (dense, small), strict=True):
            write_network(Path(folder) / name, network, shape, conditions.runtime)
        command = [sys.executable, "-m", "pruning.deploy.stopwatch", folder, json.dumps([shape, asdict(conditions)])]
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, env=os.environ | paths, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"timing in a fresh process failed: {done.stderr.strip()[-300:]}")
    dense_ms, *share = json.loads(done.stdout.splitlines()[-1])
    return Paired(dense_ms, Ratio(*share))


def write_network(path: Path, network: nn.Module, shape: Shape, runtime: str) -> None:
    """As an ONNX file for what runs one, else as a torch.export program, which needs no class to be loaded."""
    if runtime == ONNX:
        path.write_bytes(export.checked_onnx(network, shape)[0])
    else:
        torch.export.save(export.exported(network, shape), path.with_suffix(".pt2"))


def read_network(path: Path, shape: Shape, conditions: Conditions) -> Work:
    if conditions.runtime == ONNX:
        return prepare_onnx(path.read_bytes(), [conditions.batch])[conditions.batch]
    module = torch.export.load(path.with_suffix(".pt2")).module()
    return RUNTIMES[conditions.runtime](module, shape, (conditions.batch,), CPU)[conditions.batch]


def main(folder: str, described: str) -> None:
    """The fresh process: the last line printed is milliseconds of the dense network, the share and its half width."""
    (channels, height, width), values = json.loads(described)
    conditions = Conditions(**values)
    with use_threads(conditions.threads), torch.no_grad():
        works = [read_network(Path(folder) / name, (channels, height, width), conditions) for name in NAMES]
        paired = time_pair(works[0], works[1], conditions.threads)
    print(json.dumps([paired.dense_ms, *paired.share]))


def time_pair(dense: Work, small: Work, threads: int) -> Paired:
    """Processor time on one thread, so that other jobs count little, else the clock's. Of a ratio that is not known
    well yet more rounds are made."""
    clock = processor_clock() if threads == 1 else time.perf_counter
    works, spent = dict(zip(NAMES, (dense, small), strict=True)), dict.fromkeys(NAMES, Times(()))
    for attempt in range(ATTEMPTS):
        times = time_by_turns(works, ROUNDS, 0 if attempt else WARM, SECONDS, clock=clock)
        spent = {name: Times(spent[name].seconds + times[name].seconds) for name in NAMES}
        share = spent["small"].over(spent["dense"])
        if share.half_width <= GOOD * share.value:
            break
    return Paired(1000 * spent["dense"].median, share)


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    main(*sys.argv[1:])
