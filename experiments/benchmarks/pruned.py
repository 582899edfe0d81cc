"""Do pruned networks take less time, as they have fewer MACs? Time cut over MACs cut, dense and pruned by turns.

Weights are fresh: which filters go changes nothing about time (FCF's gates are drawn at random). Each runtime has a
process of its own. On a CPU it is processor time of one thread that counts. `--full` takes every network, method and
ratio of the list, all runtimes and both batches: hours; without it a choice of cases in minutes.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context

import torch
from torch import nn

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark, time_paired
from experiments.benchmarks.run_context import build_context
from pruning.deploy.runtimes import RUNTIMES, Shape, runtimes, synchronised
from pruning.graph.cost import count_macs
from pruning.surgery import compact

RATIOS = (0.15, 0.25, 0.35, 0.45, 0.6)
SIDES = {"vgg16": (32, 224), "resnet56": (32,), "resnet34": (224,), "resnet50": (224,)}
METHODS = {  # overrides beside the ratio
    "l1": ("method=l1", "budget=layer"),
    "fcf": ("method=fcf", "budget=layer", "data.train=200", "recipe.batch=1"),
    "group2d": ("method=group2d", "budget=macs", "method.score=l1"),
}
ROUNDED = ", round_to=16"  # widths in whole vector registers (16 float32 numbers with AVX-512)
METHODS |= {name + ROUNDED: (*overrides, "budget.round_to=16") for name, overrides in METHODS.items()}
ROUNDS = 5


@dataclass(frozen=True)
class Case:
    model: str
    side: int
    batch: int
    method: str
    ratio: float

    @property
    def network(self) -> tuple[str, int, int]:
        return self.model, self.side, self.batch


def list_cases(model: str, side: int, batch: int, **ratios: tuple[float, ...]) -> list[Case]:
    return [Case(model, side, batch, method, ratio) for method, values in ratios.items() for ratio in values]


def with_rounding(method: str, *ratios: float) -> dict[str, tuple[float, ...]]:
    """As the method counts, and in whole registers."""
    return {method: ratios, method + ROUNDED: ratios}


QUICK = (
    *list_cases(
        "vgg16", 32, 64, **with_rounding("l1", 0.15, 0.25, 0.45, 0.6), fcf=(0.25,), **with_rounding("group2d", 0.75)
    ),
    *list_cases("vgg16", 32, 1, **with_rounding("l1", 0.45), **with_rounding("group2d", 0.75)),
    *list_cases("vgg16", 224, 1, **with_rounding("l1", 0.45), **with_rounding("group2d", 0.75)),
    *list_cases("resnet56", 32, 64, l1=(0.45,), **with_rounding("fcf", 0.25, 0.45)),
    *list_cases("resnet34", 224, 64, **with_rounding("fcf", 0.25, 0.45)),
    *list_cases("resnet50", 224, 1, **with_rounding("l1", 0.45), **with_rounding("fcf", 0.45)),
)
FULL = tuple(
    Case(model, side, batch, method, ratio)
    for model, sides in SIDES.items()
    for side in sides
    for batch in (1, 64)
    for method in METHODS
    for ratio in (*RATIOS, 0.75)
)


def prune(case: Case) -> tuple[nn.Module, nn.Module]:
    """The dense network and what the method makes of it."""
    overrides = (f"model={case.model}", f"data.size={case.side}", f"ratio={case.ratio}", *METHODS[case.method])
    return prune_by(*overrides)[:2]


def prune_by(*overrides: str) -> tuple[nn.Module, nn.Module, Shape]:
    """The dense network of a run, what its method makes of it, and its images."""
    context = build_context("recipe=smoke", "data.train=64", "data.test=1", "plan=true", *overrides)
    torch.manual_seed(0)
    pruned = copy.deepcopy(context.network)
    context.method.begin_stage(pruned, context.image_shape, context.steps("prune"))
    gates = [value for name, value in pruned.named_parameters() if name.endswith(".v")]
    for gate in gates:
        torch.nn.init.uniform_(gate)
    choice = context.method.select(pruned)
    plain = context.network.eval()
    return plain, compact(plain, choice, context.image_shape).eval(), context.image_shape


@torch.no_grad()
def time_cases(runtime: str, cases: list[Case], device: str, threads: int) -> list[Row]:
    """In a process of its own."""
    torch.set_num_threads(threads)
    target = torch.device(device)
    prepare = RUNTIMES[runtime]
    clock = time.process_time if device == "cpu" else time.perf_counter
    rows: list[Row] = []
    for (model, side, batch), group in groupby(cases, key=lambda case: case.network):
        shape, pairs = (3, side, side), {case: prune(case) for case in group}
        networks: dict[Case | None, nn.Module] = {None: next(iter(pairs.values()))[0]}  # None: dense
        networks |= {case: pair[1] for case, pair in pairs.items()}
        ready = {key: prepare(network.to(target), shape, (batch,), target)[batch] for key, network in networks.items()}
        works = {key: synchronised(work, target) for key, work in ready.items()}
        times = time_paired(works, ROUNDS, warm=1, clock=clock)
        dense_macs = count_macs(networks[None], shape)
        for case in pairs:
            macs, spent = 1 - count_macs(networks[case], shape) / dense_macs, 1 - times[case] / times[None]
            row: Row = {"network": f"{model}, {side}", "method": case.method, "ratio": case.ratio, "batch": batch}
            row |= {"runtime": runtime, "dense, ms": times[None], "MACs cut": macs, "time cut": spent}
            rows.append(row | {"quotient": spent / macs, "times faster": 1 / (1 - spent)})
    return rows


def measure(full: bool, device: str, runtime: list[str]) -> list[Row]:
    cases, rows = list(FULL if full else QUICK), []
    for name in runtime or runtimes(torch.device(device), compile=full):
        if full or runtime or name != "channels last":
            with get_context("spawn").Pool(1) as process:
                rows += process.apply(time_cases, (name, cases, device, torch.get_num_threads()))
    return rows


def aims(rows: list[Row], **_: object) -> list[Aim]:
    """The better of compiled and ONNX Runtime at batch 64, widths in whole registers, the least of the ratios."""

    def least(network: str, method: str, figure: str) -> float:
        by_runtime: dict[str, list[float]] = {}
        for row in rows:
            matches = (row["network"], row["method"], row["batch"]) == (network, method + ROUNDED, 64)
            if matches and row["runtime"] in ("compiled", "onnxruntime"):
                by_runtime.setdefault(str(row["runtime"]), []).append(number(row, figure))
        return max((min(figures) for figures in by_runtime.values()), default=float("nan"))

    return [
        Aim("L1 on VGG-16: time cut over MACs cut", 0.9, least("vgg16, 32", "l1", "quotient")),
        Aim("FCF with expanded joins on ResNet-34: the same", 0.75, least("resnet34, 224", "fcf", "quotient")),
        Aim("group-wise at 4x on VGG-16: times faster", 2.5, least("vgg16, 32", "group2d", "times faster")),
    ]


if __name__ == "__main__":
    run_benchmark(
        "pruned",
        "Pruned networks: MACs cut, time cut, and their quotient",
        measure,
        aims,
        full="all networks, methods, ratios, batches, runtimes: hours",
        device={"default": "cpu", "choices": ("cpu", "cuda"), "help": "where to run"},
        runtime={"nargs": "+", "default": [], "help": "eager, channels last, compiled, onnxruntime; else what is here"},
    )
