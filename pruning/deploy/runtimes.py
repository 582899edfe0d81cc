"""What runs a network: PyTorch, channels-last or not, torch.compile, ONNX Runtime. Each gives work, by batch size."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from pruning.arguments import key
from pruning.deploy.int8 import make_session
from pruning.files import export
from pruning.timing import Work

Shape = tuple[int, int, int]
Ready = dict[int, Work]  # by batch
Runtime = Callable[[nn.Module, Shape, Sequence[int], torch.device], Ready]
REGISTERS = {"AVX512": 64, "AVX2": 32, "SVE256": 32}  # bytes, by torch's word for the processor; 16 otherwise


def channel_multiple(device: torch.device) -> int:
    """The multiple that widths should be of: float32 numbers in a vector register, 8 half-precision ones on a GPU."""
    if device.type != "cpu":
        return 8
    return REGISTERS.get(torch.backends.cpu.get_cpu_capability(), 16) // 4


def random_images(batch: int, shape: Sequence[int], device: torch.device) -> Tensor:
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
    content, _ = export.checked_onnx(network, shape)
    return prepare_onnx(content, batches)


def prepare_onnx(content: bytes, batches: Sequence[int]) -> Ready:
    """An ONNX file of one input, images of a known size. Raises ValueError for any other, and for what is none."""
    try:
        session = make_session(content, threads=torch.get_num_threads())
    except Exception as error:  # of many kinds of its own
        words = (str(error).splitlines() or [""])[0]
        raise ValueError(f"ONNX Runtime cannot run this file ({words:.120})") from error
    images, *others = session.get_inputs()
    if others or not all(isinstance(size, int) for size in images.shape[1:]):
        raise ValueError(f"only ONNX files of one input, images of one size, are timed; this one has {images.shape}")
    given = {b: random_images(b, images.shape[1:], torch.device("cpu")).numpy() for b in batches}
    return {batch: partial(session.run, None, {images.name: array}) for batch, array in given.items()}


RUNTIMES: dict[str, Runtime] = {
    "eager": eager,
    "channels last": channels_last,
    "compiled": compiled,
    "onnxruntime": onnxruntime,
}


def refuse_missing_runtime(name: str) -> None:
    """Raise ValueError unless this runtime is installed."""
    if name not in RUNTIMES:
        raise ValueError(f"{key('runtime')} must be one of {', '.join(RUNTIMES)}, got {name!r:.60}")
    if name == "onnxruntime":
        export.refuse_missing()


def runtimes(device: torch.device, compile: bool) -> list[str]:
    """Those that there are on this machine."""
    has_onnx = device.type == "cpu" and all(find_spec(name) for name in export.EXTRA)
    return [name for name in RUNTIMES if (name != "compiled" or compile) and (name != "onnxruntime" or has_onnx)]


def synchronised(work: Work, device: torch.device) -> Work:
    """Work that is over when it returns."""

    def run() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run
