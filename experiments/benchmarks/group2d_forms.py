"""VGG-16's layers and the whole of it: dense against both small forms of group-wise pruning, four groups of filters.

A form's figure is the dense network's time over its own, in the same runtime, by turns in one process. Layers stand
alone, with random patterns; the whole network is pruned to a quarter of its MACs by the l1 score of fresh weights.
"""

import copy
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from experiments import hardware
from experiments.benchmarks.bench import Row, main, paired
from pruning import export
from pruning.budget import Share
from pruning.cost import count_macs
from pruning.methods.group2d import Group2D
from pruning.models import vgg16
from pruning.surgery import compact
from pruning.surgery.align import ColumnGroups
from pruning.surgery.forms import grouped

LAYERS = ((64, 32), (128, 16), (256, 8), (512, 4), (512, 2))  # channels and side of VGG-16's square layers
CUTS, GROUPS = (2, 4), 4
BATCHES = (1, 64)
ROUNDS = 9
SHAPE = (3, 32, 32)
DEVICE = hardware.device("auto")

Shape = tuple[int, int, int]
Work = Callable[[], object]
Ready = dict[int, Work]  # by batch
Runtime = Callable[[nn.Module, Shape], Ready]


def images(batch: int, shape: Shape) -> Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch)).to(DEVICE)


def eager(network: nn.Module, shape: Shape) -> Ready:
    return {batch: partial(network, images(batch, shape)) for batch in BATCHES}


def channels_last(network: nn.Module, shape: Shape) -> Ready:
    turned = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    given = {batch: images(batch, shape).contiguous(memory_format=torch.channels_last) for batch in BATCHES}
    return {batch: partial(turned, each) for batch, each in given.items()}


def compiled(network: nn.Module, shape: Shape) -> Ready:
    made = torch.compile(network, dynamic=False)
    return {batch: partial(made, images(batch, shape)) for batch in BATCHES}


def onnxruntime(network: nn.Module, shape: Shape) -> Ready:
    library = import_module("onnxruntime")
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export.onnx(network, shape, path)
        session = library.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return {batch: partial(session.run, None, {"images": images(batch, shape).cpu().numpy()}) for batch in BATCHES}


def runtimes(compile: bool) -> dict[str, Runtime]:
    found: dict[str, Runtime] = {"eager": eager, "channels last": channels_last}
    if compile:
        found["compiled"] = compiled
    if DEVICE.type == "cpu" and all(find_spec(name) for name in export.EXTRA):
        found["onnxruntime"] = onnxruntime
    return found


def awaited(work: Work) -> Work:
    """Work that is over when it returns."""

    def whole() -> None:
        work()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return whole


def rows(what: str, dense: nn.Module, split: nn.Module, shape: Shape, compile: bool) -> list[Row]:
    """One for each batch size and runtime."""
    networks = {name: each.to(DEVICE).eval() for name, each in forms(dense, split).items()}
    whole, *small = (count_macs(network, shape) for network in networks.values())
    fewer = "{:.1f}x, {:.1f}x padded".format(*(whole / macs for macs in small))
    made: list[Row] = []
    for runtime, prepare in runtimes(compile).items():
        ready = {name: prepare(network, shape) for name, network in networks.items()}
        for batch in BATCHES:
            times = paired({name: awaited(works[batch]) for name, works in ready.items()}, ROUNDS, warm=2)
            row: Row = {"what": what, "fewer MACs": fewer, "runtime": runtime, "batch": batch}
            row |= {"dense, ms": times["dense"]}
            made.append(row | {name: times["dense"] / times[name] for name in ("split", "grouped")})
    return made


def forms(dense: nn.Module, split: nn.Module) -> dict[str, nn.Module]:
    return {"dense": dense, "split": split, "grouped": grouped(split)}


def layer(width: int, side: int, cut: int, compile: bool) -> list[Row]:
    draws = torch.Generator().manual_seed(0)
    columns = [torch.randperm(width, generator=draws)[: width // cut].sort().values for _ in range(GROUPS)]
    split = ColumnGroups([nn.Conv2d(width // cut, width // GROUPS, 3, padding=1) for _ in columns], columns)
    dense = nn.Conv2d(width, width, 3, padding=1)
    return rows(f"{width} -> {width}, {side}x{side}", dense, nn.Sequential(split), (width, side, side), compile)


def whole(compile: bool) -> list[Row]:
    network = vgg16(10, SHAPE).eval()
    method = Group2D(Share(0.75, "macs"), GROUPS, "l1", "score", 1, "kxk", adapt=False, form="split")
    method.attach(pruned := copy.deepcopy(network), SHAPE, 0)
    choice = method.select(pruned)
    return rows("VGG-16", network, compact(network, choice, SHAPE), SHAPE, compile)


@torch.no_grad()
def measure(compile: bool) -> list[Row]:
    layers = [layer(*size, cut, compile) for cut in CUTS for size in LAYERS]
    return [row for made in (*layers, whole(compile)) for row in made]


if __name__ == "__main__":
    claim = "VGG-16 by group-wise pruning: times faster than dense, both small forms"
    main("group2d_forms", claim, measure, compile="time torch.compile too; minutes")
