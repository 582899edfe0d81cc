"""What runs a network: PyTorch, channels-last or not, torch.compile, ONNX Runtime. Each gives work, by batch size."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from pruning.files import export

Shape = tuple[int, int, int]
Work = Callable[[], object]
Ready = dict[int, Work]  # by batch
Runtime = Callable[[nn.Module, Shape, Sequence[int], torch.device], Ready]


def random_images(batch: int, shape: Shape, device: torch.device) -> Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch)).to(device)


def eager(network: nn.Module, shape: Shape, batches: Sequence[int], device: torch.device) -> Ready:
    return {batch: partial(network, random_images(batch, shape, device)) for batch in batches}


def channels_last(network: nn.Module, shape: Shape, batches: Sequence[int], device: torch.device) -> Ready:
    converted = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = {b: random_images(b, shape, device).contiguous(memory_format=torch.channels_last) for b in batches}
    return {batch: partial(converted, batch_images) for batch, batch_images in inputs.items()}


def compiled(network: nn.Module, shape: Shape, batches: Sequence[int], device: torch.device) -> Ready:
    compiled_network = torch.compile(network, dynamic=False)
    return {batch: partial(compiled_network, random_images(batch, shape, device)) for batch in batches}


def onnxruntime(network: nn.Module, shape: Shape, batches: Sequence[int], device: torch.device) -> Ready:
    library = import_module("onnxruntime")
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export.onnx(network, shape, path)
        session = library.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return {b: partial(session.run, None, {"images": random_images(b, shape, device).cpu().numpy()}) for b in batches}


def runtimes(device: torch.device, compile: bool) -> dict[str, Runtime]:
    """Those that there are on this machine, by name."""
    available: dict[str, Runtime] = {"eager": eager, "channels last": channels_last}
    if compile:
        available["compiled"] = compiled
    if device.type == "cpu" and all(find_spec(name) for name in export.EXTRA):
        available["onnxruntime"] = onnxruntime
    return available


def synchronised(work: Work, device: torch.device) -> Work:
    """Work that is over when it returns."""

    def run() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run
