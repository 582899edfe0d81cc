"""Steps of our Lightning stages against a bare hand-written PyTorch loop: same network, layout and precision.

One process, in turns: whenever the stage asks for its next batch, the bare loop makes its own step, so that noise hits
both alike. A stage's step is all that lies between: loader, Lightning, metrics, log, method. The bare loop's batch lies
on the device, nothing is logged, nothing is looked at. FCF's stage has the same bare loop as its yardstick. On a CPU it
is the processor time of this process that counts, which other work on the machine hardly touches; on a GPU the clock.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.base import ClassificationData
from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.benchmarks.run_context import build_context
from experiments.run.context import RunContext
from experiments.run.stages import StageSpec, fit
from pruning.objectives import CrossEntropy

NETWORKS = {"ResNet-20": "resnet20", "ResNet-56": "resnet56", "VGG-16": "vgg16"}
Batch = tuple[Tensor, Tensor]  # images, labels
BATCH, WARM = 128, 2
STEPS = {"ResNet-20": 24, "ResNet-56": 12, "VGG-16": 8}
TURN = {"cpu": 1, "cuda": 20}  # steps of each in a turn: on a GPU a wait after every step would be timed
LEAST = {"cpu": 0.95, "cuda": 0.9}
MOST = 0.05  # what an FCF step may cost beyond a plain one
EPOCHS = 200  # of FCF's stage, so that its penalty may grow slowly; only the first is made


class EnoughStepsError(Exception):
    """Enough steps."""


class Turns:
    """Stands for a data module: gives the bare loop its turn between two batches of the real one."""

    def __init__(self, data: ClassificationData, bare: Callable[[], None], device: str, steps: int) -> None:
        self.data, self.bare, self.turn, self.turns = data, bare, TURN[device], steps + WARM
        self.wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None
        self.now = time.perf_counter if device == "cuda" else time.process_time
        self.stage: list[float] = []
        self.loop: list[float] = []
        self.real = data.train_dataloader

    def __enter__(self) -> Turns:
        self.data.train_dataloader = lambda: Alternating(self)  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self.data.train_dataloader = self.real  # type: ignore[method-assign]

    def batches(self) -> Iterator[Batch]:
        mark, served = self.now(), 0
        for batch in self.real():
            yield batch
            served += 1
            if served % self.turn:
                continue
            self.wait()
            self.stage.append(self.now() - mark)
            self.loop.append(self.timed_bare())
            if len(self.stage) == self.turns:
                raise EnoughStepsError
            mark = self.now()

    def timed_bare(self) -> float:
        start = self.now()
        for _ in range(self.turn):
            self.bare()
        self.wait()
        return self.now() - start

    def ratio(self) -> float:
        """The stage's speed over the bare loop's, by the median pair of turns."""
        return statistics.median(b / s for b, s in zip(self.loop[WARM:], self.stage[WARM:], strict=True))

    def milliseconds(self, times: list[float]) -> float:
        return 1000 * statistics.median(times[WARM:]) / self.turn


class Alternating:
    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def __len__(self) -> int:
        return len(self.turns.real())

    def __iter__(self) -> Iterator[Batch]:
        return self.turns.batches()


def bare_loop(context: RunContext) -> Callable[[], None]:
    """One step as one would write it by hand."""
    order = context.execution("baseline").layout
    network = copy.deepcopy(context.network).to(context.device, memory_format=order).train()  # type: ignore[call-overload]
    images, labels = (tensor.to(context.device) for tensor in next(iter(context.data.train_dataloader())))
    recipe = context.recipes["baseline"]
    group = {"params": list(network.parameters()), "momentum": recipe.momentum, "weight_decay": recipe.weight_decay}
    optimiser = torch.optim.SGD([group], lr=recipe.lr, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)
    half = context.precision == "bf16-mixed"
    if context.execution("baseline").compiled:
        network.compile()

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(context.device.type, torch.bfloat16) if half else nullcontext():
            loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimiser.step()
        schedule.step()

    return step


def race(context: RunContext, stage: StageSpec, steps: int) -> Turns:
    network: nn.Module = copy.deepcopy(context.network)
    bare = bare_loop(context)
    with TemporaryDirectory() as folder, Turns(context.data, bare, context.device.type, steps) as turns:
        try:
            fit(context, network, stage, Path(folder), "benchmark")
        except EnoughStepsError:
            return turns
    raise RuntimeError(f"the stage ended before {steps} turns were made")


def measure_network(name: str, device: str, settings: list[str]) -> Row:
    steps = STEPS[name] if device == "cpu" else 10
    images = BATCH * TURN[device] * (steps + WARM + 1)
    common = (
        f"model={NETWORKS[name]}",
        f"data.train={images}",
        f"recipe.batch={BATCH}",
        f"trainer.accelerator={device}",
    )
    plain_context = build_context(*common, "recipe=smoke", "method=l1", *settings)
    plain_turns = race(plain_context, StageSpec("baseline", "baseline", CrossEntropy()), steps)
    gated_context = build_context(*common, "recipe=smoke", "method=fcf", f"recipe.prune.epochs={EPOCHS}", *settings)
    gated_turns = race(gated_context, StageSpec("prune", "prune", CrossEntropy(), method=gated_context.method), steps)
    return {
        "network": name,
        "precision": plain_context.precision,
        "bare, ms": plain_turns.milliseconds(plain_turns.loop),
        "stage, ms": plain_turns.milliseconds(plain_turns.stage),
        "stage's speed of bare": plain_turns.ratio(),
        "FCF's stage, ms": gated_turns.milliseconds(gated_turns.stage),
        "FCF's step over plain": plain_turns.ratio() / gated_turns.ratio() - 1,
    }


def measure(device: str, only: list[str] | None, settings: list[str]) -> list[Row]:
    return [measure_network(name, device, settings) for name in NETWORKS if not only or name in only]


def aims(rows: list[Row], device: str = "cpu", **_: object) -> list[Aim]:
    targets = []
    for row in rows:
        speed, extra = number(row, "stage's speed of bare"), number(row, "FCF's step over plain")
        targets.append(Aim(f"{row['network']}: stage's speed of a bare loop", LEAST[device], speed))
        targets.append(Aim(f"{row['network']}: FCF's step over the plain one", MOST, extra, "most"))
    return targets


if __name__ == "__main__":
    run_benchmark(
        "training",
        f"One training step at batch {BATCH}: our Lightning stages against a bare PyTorch loop, in turns",
        measure,
        aims,
        device={"default": "cpu", "choices": ("cpu", "cuda"), "help": "where to train"},
        only={"nargs": "+", "choices": NETWORKS, "help": "some of the networks"},
        settings={"nargs": "+", "default": [], "help": "overrides as for run.py: trainer.compile=true"},
    )
