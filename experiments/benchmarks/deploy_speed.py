"""What pruning and eight-bit integers are worth in ONNX Runtime, and whether a target of time is met: of one network.

Dense, L1, FCF with expanded joins and Torch-Pruning's L1 at the MACs of ours, and dense and L1 in eight-bit integers:
batch 1, one thread, by turns in one process, many short rounds, processor time. Then `budget=latency` at half of the
time.
Weights are fresh and images are noise: neither changes what an operator takes. Needs torch-pruning and a quiet machine.
"""

import copy
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import nn

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.system.console import log
from pruning.budget.targets import Share
from pruning.deploy.int8 import find_float_operators, quantise
from pruning.deploy.latency import Latency, known_to
from pruning.deploy.runtimes import Shape, channel_multiple, prepare_onnx, random_images
from pruning.files.export import checked_onnx
from pruning.graph.cost import count_macs
from pruning.methods.fcf.callback import FCF
from pruning.methods.filters import FilterMethod
from pruning.methods.l1 import L1
from pruning.models import resnet, vgg16
from pruning.models.library import torchvision_network
from pruning.surgery import compact
from pruning.timing import TOLERANCE, Times, time_by_turns

CPU = torch.device("cpu")
NETWORKS = ("vgg16", "resnet50", "mobilenet_v2")
RATIO = 0.5
CALIBRATED = 8  # images, of noise
ROUNDS, SECONDS = 20, 0.15  # short ones, so that a processor that slows down meets all networks alike
STEPS = 1000  # that FCF would learn in
SEARCHES = 6  # of Torch-Pruning's ratio
MOST = 12  # candidates
SAME = 0.02  # of MACs: networks that are compared
Networks = dict[str, nn.Module]
SMALL: dict[str, Callable[[int, Shape], nn.Module]] = {"vgg16": vgg16, "resnet20": partial(resnet, 20)}


def build(name: str) -> tuple[nn.Module, Shape]:
    """For images of 32 pixels a side, or ImageNet's of 224."""
    side = 32 if name in SMALL else 224
    shape = (3, side, side)
    torch.manual_seed(0)
    return (SMALL[name](10, shape) if name in SMALL else torchvision_network(name, 1000, shape)).eval(), shape


def prune(network: nn.Module, method: FilterMethod, shape: Shape) -> nn.Module:
    attached = copy.deepcopy(network)
    method.begin_stage(attached, shape, STEPS)
    return compact(network, method.select(attached), shape).eval()


def prune_joined(network: nn.Module, shape: Shape) -> nn.Module:
    """By FCF, each convolution of a block on its own: narrow tensors meet wide ones."""
    budget = Share(RATIO, "macs", round_to=channel_multiple(CPU))
    return prune(network, FCF(budget, joined="expand", cross=True), shape)


def prune_by_peer(network: nn.Module, shape: Shape, macs: int, round_to: int | None) -> nn.Module:
    """Torch-Pruning's L1, the same share of every group, at the ratio that comes nearest to these MACs."""
    low, high, best = 0.0, 0.95, network
    for _ in range(SEARCHES):
        ratio = (low + high) / 2
        small = cut_by_peer(network, shape, ratio, round_to)
        best = min(best, small, key=lambda each: abs(count_macs(each, shape) - macs))
        low, high = (ratio, high) if count_macs(small, shape) > macs else (low, ratio)
    return best


def cut_by_peer(network: nn.Module, shape: Shape, ratio: float, round_to: int | None) -> nn.Module:
    import torch_pruning

    victim = copy.deepcopy(network)
    *_, last = (layer for layer in victim.modules() if isinstance(layer, (nn.Linear, nn.Conv2d)))
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        importance = torch_pruning.importance.GroupMagnitudeImportance(p=1, group_reduction="first", normalizer=None)
        torch_pruning.pruner.BasePruner(
            victim,
            torch.randn(1, *shape),
            importance=importance,
            pruning_ratio=ratio,
            ignored_layers=[last],
            round_to=round_to,
        ).step()
    return victim.eval()


def build_networks(dense: nn.Module, shape: Shape) -> Networks:
    multiple = channel_multiple(CPU)
    ours = prune(dense, L1(Share(RATIO, "macs", round_to=multiple)), shape)
    peer = partial(prune_by_peer, dense, shape, count_macs(ours, shape))
    networks = {"dense": dense, "l1": ours}
    if hasattr(dense, "layer1"):  # there are joins
        networks["fcf"] = prune_joined(dense, shape)
    return networks | {"torch-pruning": peer(None), f"torch-pruning, round_to={multiple}": peer(multiple)}


def files(networks: Networks, shape: Shape) -> Iterator[tuple[str, str, bytes]]:
    """Name, precision and content of every ONNX file."""
    images = {"images": random_images(CALIBRATED, shape, CPU).numpy()}
    for name, network in networks.items():
        content = checked_onnx(network, shape)[0]
        yield name, "fp32", content
        if name in ("dense", "l1"):
            yield name, "int8", quantise(content, [images])
        log(f"{name} is written")


def time_files(contents: dict[tuple[str, str], bytes]) -> dict[tuple[str, str], Times]:
    """Of one image."""
    works = {key: prepare_onnx(content, (1,))[1] for key, content in contents.items()}
    return time_by_turns(works, ROUNDS, warm=3, lasting=SECONDS, clock=time.process_time)


@torch.no_grad()
def measure(network: str) -> list[Row]:
    dense, shape = build(network)
    networks = build_networks(dense, shape)
    macs = {name: count_macs(each, shape) / count_macs(dense, shape) for name, each in networks.items()}
    contents = {(name, precision): content for name, precision, content in files(networks, shape)}
    times = time_files(contents)
    whole = times["dense", "fp32"]
    rows: list[Row] = []
    for (name, precision), spent in times.items():
        share, content = spent.over(whole), contents[name, precision]
        left = find_float_operators(content) if precision == "int8" else ()
        row: Row = {"network": f"{network}, {shape[-1]}", "cut by": name, "precision": precision}
        row |= {"MACs": macs[name], "ms": 1000 * spent.median, "time": share.value, "known to": known_to(share)}
        row |= {"times faster": 1 / share.value, "left in float": ", ".join(left), "MB": len(content) / 1e6}
        rows.append(row | {"rounds, ms": [round(1000 * seconds, 4) for seconds in spent.seconds]})
    return [*rows, measure_target(network, dense, shape)]


def measure_target(network: str, dense: nn.Module, shape: Shape) -> Row:
    """Half of the time, as `budget=latency` meets it; what came out is timed anew in a fresh process."""
    budget, start = Latency(RATIO), time.process_time()
    small = prune(dense, L1(budget), shape)
    seconds, anew = time.process_time() - start, budget.time_anew(dense, small, shape)
    assert budget.met is not None
    curve = [[each.macs, each.paired.share.value, known_to(each.paired.share)] for each in budget.met.candidates]
    return {
        "network": f"{network}, {shape[-1]}",
        "asked": 1 - RATIO,
        "found": budget.met.paired.share.value,
        "anew": anew.share.value,
        "anew known to": known_to(anew.share),
        "dense, ms": anew.dense_ms,
        "MACs": count_macs(small, shape) / count_macs(dense, shape),
        "candidates": len(curve),
        "seconds": seconds,
        "curve": curve,
    }


def aims(rows: list[Row], network: str) -> list[Aim]:
    timed = {(str(row["cut by"]), str(row["precision"])): row for row in rows if "cut by" in row}
    (target,) = (row for row in rows if "asked" in row)
    off = abs(number(target, "anew") / number(target, "asked") - 1)
    wanted = [
        Aim("budget=latency: off the target, in a fresh process", TOLERANCE, off, "most"),
        Aim("budget=latency: networks timed", MOST, number(target, "candidates"), "most"),
        Aim("time over that of Torch-Pruning's network of these MACs", 1.0, over_peer(timed), "most"),
    ]
    if network != "mobilenet_v2":
        wanted.append(Aim("L1: time cut over MACs cut", 0.9, quotient(timed["l1", "fp32"])))
        speedup = number(timed["dense", "int8"], "times faster")
        wanted.append(Aim("dense int8: times faster than dense fp32", 2.0, speedup))
    if ("fcf", "fp32") in timed:
        wanted.append(Aim("FCF's joins: time cut over MACs cut", 0.75, quotient(timed["fcf", "fp32"])))
    cut = 1 - ratio(timed["l1", "int8"], timed["dense", "int8"])
    macs = 1 - number(timed["l1", "fp32"], "MACs")
    return [*wanted, Aim("L1 int8 beside dense int8: time cut over MACs cut", 0.8, cut / macs)]


def quotient(row: Row) -> float:
    return (1 - number(row, "time")) / (1 - number(row, "MACs"))


def over_peer(timed: dict[tuple[str, str], Row]) -> float:
    """Of Torch-Pruning's networks at our MACs the fastest; in multiples it may have none near them."""
    ours, peers = timed["l1", "fp32"], [row for (name, _), row in timed.items() if name.startswith("torch-pruning")]
    return max(ratio(ours, row) for row in peers if abs(number(row, "MACs") / number(ours, "MACs") - 1) <= SAME)


def ratio(mine: Row, theirs: Row) -> float:
    return rounds(mine).over(rounds(theirs)).value


def rounds(row: Row) -> Times:
    figures = row["rounds, ms"]
    assert isinstance(figures, list)
    return Times(tuple(figures))


if __name__ == "__main__":
    run_benchmark(
        "deploy_speed",
        "Pruned and quantised networks in ONNX Runtime, batch 1, one thread",
        measure,
        aims,
        network={"required": True, "choices": NETWORKS, "help": "which"},
    )
