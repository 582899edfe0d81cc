"""A network in eight-bit integers for ONNX Runtime: static, QDQ, weights by channel, ranges from unlabelled images.

Activations are unsigned: with VNNI, ONNX Runtime 1.32 runs ResNet-18 in 1.9 ms so and in 7.8 ms with signed ones.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruning.files import durable, export
from pruning.graph.inputs import Batch, Shapes
from pruning.graph.tracing import float_type

TOLERANCE = 0.1  # of the outputs' scale: one step of an activation is 1/255 of its range, and roundings add up
CHECKED_IMAGES = 16
MAKE_INTEGERS = ("QuantizeLinear", "DynamicQuantizeLinear", "QLinear", "QGemm")  # what their names begin with
MOVES = ("DequantizeLinear", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "ReorderInput", "ReorderOutput")
FLOAT = 1  # onnx.TensorProto.FLOAT


@dataclass(frozen=True)
class Quantised:
    """What was written.

    `difference`: the largest between ONNX Runtime's integer arithmetic and the simulation (the same file, the same
    roundings, float arithmetic) on calibration images, relative to the largest output. `left_in_float`: operators that
    ONNX Runtime still computes in float32 on this machine, with their number: "Softmax x 2".
    """

    difference: float
    left_in_float: tuple[str, ...]


def onnx_int8(network: nn.Module, image_shape: Shapes, path: Path | str, batches: Iterable[Batch]) -> Quantised:
    """Write the network in eval as an ONNX file in eight-bit integers, with the names that `export.onnx` gives.

    Args:
        batches: of inputs, without labels; the ranges of activations are those that they show.

    Raises:
        ValueError: as `export.onnx`; no images; the network is not in float32; ONNX Runtime computes something else
            than the simulation. Nothing is written.
    """
    if float_type(network) is not torch.float32:
        raise ValueError(f"int8 starts from float32, got {float_type(network)}: give a copy, network.float()")
    bare, _ = export.prepare(network, image_shape)
    given = [as_arrays(bare, batch) for batch in batches]
    if not given:
        raise ValueError("int8 takes the ranges of activations from images: int8= has no batches")
    content = quantise(export.checked_onnx(network, image_shape)[0], given)
    probe = {name: values[:CHECKED_IMAGES] for name, values in given[0].items()}
    difference = compare_with_simulation(content, probe)
    if not difference <= TOLERANCE:
        raise ValueError(
            f"ONNX Runtime's int8 differs from its simulation by {difference:.2g} of the outputs' scale, more than "
            f"{TOLERANCE:g}: a processor without VNNI overflows in 16 bits; export without int8 here"
        )
    durable.write(Path(path), content)
    return Quantised(difference, find_float_operators(content))


def as_arrays(network: nn.Module, batch: Batch) -> dict[str, np.ndarray]:
    named = export.named_inputs(network, batch)
    return {name: value.detach().cpu().numpy() for name, value in named.items() if isinstance(value, Tensor)}


def quantise(content: bytes, batches: list[dict[str, np.ndarray]]) -> bytes:
    """An ONNX file in float32 as one with QuantizeLinear and DequantizeLinear around what has integer kernels."""
    library = import_module("onnxruntime.quantization")
    prepare = import_module("onnxruntime.quantization.shape_inference").quant_pre_process
    with TemporaryDirectory() as folder, silent_root_logger():
        whole, prepared, small = (Path(folder) / name for name in ("whole.onnx", "prepared.onnx", "int8.onnx"))
        whole.write_bytes(content)
        prepare(whole, prepared, skip_symbolic_shape=True)
        library.quantize_static(
            prepared,
            small,
            _reader(library, prepared.read_bytes(), batches),
            quant_format=library.QuantFormat.QDQ,
            per_channel=True,
            activation_type=library.QuantType.QUInt8,
            weight_type=library.QuantType.QInt8,
        )
        return small.read_bytes()


def _reader(library: Any, content: bytes, batches: list[dict[str, np.ndarray]]) -> Any:
    """The batches as onnxruntime asks for them: one after the other, then None."""
    read = {value.name for value in make_session(content).get_inputs()}  # one that nobody reads is left out
    left = iter([{name: values for name, values in batch.items() if name in read} for batch in batches])

    class Reader(library.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(left, None)

    return Reader()


@contextmanager
def silent_root_logger() -> Iterator[None]:
    """The quantiser recommends through it what has been done already."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def compare_with_simulation(content: bytes, inputs: dict[str, np.ndarray]) -> float:
    """The largest difference relative to the largest output; `inputs` may hold some that nobody reads."""
    integer, simulation = make_session(content), make_session(content, simulate=True)
    read = {value.name: inputs[value.name] for value in integer.get_inputs()}
    pairs = zip(integer.run(None, read), simulation.run(None, read), strict=True)
    return max(export.relative_distance(actual, expected) for actual, expected in pairs)


def make_session(content: bytes, simulate: bool = False, threads: int = 0) -> Any:
    """`simulate`: without the optimiser nothing becomes an integer kernel, every operator runs in float32 between the
    roundings. `threads`: 0 leaves their number to ONNX Runtime."""
    library = import_module("onnxruntime")
    options = library.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    if simulate:
        options.graph_optimization_level = library.GraphOptimizationLevel.ORT_DISABLE_ALL
    return library.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def find_float_operators(content: bytes) -> tuple[str, ...]:
    """Operators that read and make float32 once ONNX Runtime has optimised the graph for this machine."""
    graph = _optimised(content).graph
    of_float = {value.name for value in graph.input if value.type.tensor_type.elem_type == FLOAT}
    of_float |= {tensor.name for tensor in graph.initializer if tensor.data_type == FLOAT}
    left: Counter[str] = Counter()
    for node in graph.node:
        reads_float = node.op_type == "DequantizeLinear" or any(name in of_float for name in node.input[:1])
        if reads_float and not node.op_type.startswith(MAKE_INTEGERS):
            of_float.update(node.output)
            left[node.op_type] += 1
    return tuple(f"{name} x {left[name]}" if left[name] > 1 else name for name in sorted(left) if name not in MOVES)


def _optimised(content: bytes) -> Any:
    library, onnx = import_module("onnxruntime"), import_module("onnx")
    with TemporaryDirectory() as folder:
        options, path = library.SessionOptions(), Path(folder) / "optimised.onnx"
        options.optimized_model_filepath, options.log_severity_level = str(path), 3
        library.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return onnx.load(path)
