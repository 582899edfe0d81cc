"""A network for other programs: a torch.export program, or an ONNX file that is checked before it is kept."""

from __future__ import annotations

import copy
import inspect
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruning.files import durable
from pruning.graph.inputs import Batch, Shapes, bind, call, map_batch, random_batch
from pruning.graph.tracing import float_type
from pruning.modes import exact_float32
from pruning.surgery import joins
from pruning.surgery.certificate import flatten_output, named_outputs

EXTRA = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # of the logits' scale, as the certificate's
EPSILONS = 10  # of the network's type of number, where those are more: float16 rounds at each layer
EXAMPLE_BATCH = 2  # images it is exported with: 1 would be taken for a constant
CHECKED_BATCHES = (1, 3)


def exported(network: nn.Module, image_shape: Shapes) -> torch.export.ExportedProgram:
    """The network in eval as a torch.export program, for any number of images."""
    bare, images = prepare(network, image_shape)
    args, kwargs = bind(bare, images)
    return torch.export.export(
        bare, tuple(args.values()), kwargs, dynamic_shapes=_batch_axes(bare, images, torch.export.Dim.DYNAMIC)
    )


def onnx(network: nn.Module, image_shape: Shapes, path: Path | str) -> float:
    """Write the network in eval as an ONNX file: input `images` [batch, channels, height, width], output `logits`.

    Where a cut tensor is added to a wider one the file may hold zeros: they take less time (`pruning.surgery.joins`).
    Several inputs have the names of forward's arguments; several outputs those of their places ("0", "boxes.1").
    Returns the largest difference that ONNX Runtime shows on random images, relative to the output's largest value.

    Raises:
        ValueError: as `refuse_missing`; or the file computes something else, and nothing is written.
    """
    content, distance = checked_onnx(network, image_shape)
    durable.write(Path(path), content)
    return distance


def checked_onnx(network: nn.Module, image_shape: Shapes, zeros: float = joins.MOST) -> tuple[bytes, float]:
    """What `onnx` writes, and what it returns. `zeros`: as `most` of `joins.write_zeros`, 0 for none."""
    refuse_missing()
    bare, images = prepare(network, image_shape)
    if float_type(bare) is torch.bfloat16:
        raise ValueError("ONNX Runtime computes nothing in bfloat16: give a copy in float32, network.float()")
    try:
        program = _onnx_program(joins.write_zeros(bare, _bound(bare, images).args, zeros), images)
    except Exception as error:  # of torch.export, torch.onnx or onnxscript
        words = str(error.__cause__ or error).strip().splitlines()[0]
        raise ValueError(f"torch.onnx cannot write this network ({type(error).__name__}: {words:.200})") from error
    content = program.model_proto.SerializeToString()
    distance = max(_relative_difference(content, bare, batch, image_shape) for batch in CHECKED_BATCHES)
    tolerance = max(TOLERANCE, EPSILONS * torch.finfo(float_type(bare)).eps)
    if not distance <= tolerance:
        raise ValueError(
            f"the ONNX form differs from the network by {distance:.2e} of its outputs' scale, more than "
            f"{tolerance:.0e}; use exported(), or another version of onnxscript"
        )
    return content, distance


def _onnx_program(network: nn.Module, batch: Batch) -> Any:
    args, kwargs = bind(network, batch)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*shares the same shape constraints")  # all inputs have one batch
        return torch.onnx.export(
            network,
            tuple(args.values()),
            kwargs=kwargs,
            dynamo=True,
            input_names=list(named_inputs(network, batch)),
            output_names=_output_names(network, batch),
            dynamic_shapes=_batch_axes(network, batch, torch.export.Dim("batch", min=1)),
            verbose=False,
        )


def named_inputs(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    if isinstance(batch, Tensor):
        return {"images": batch}
    args, kwargs = bind(network, batch)
    return args | kwargs


@torch.no_grad()
def _output_names(network: nn.Module, batch: Batch) -> list[str]:
    """No two values of an ONNX file have one name."""
    names, inputs = list(named_outputs(call(network, batch))), named_inputs(network, batch)
    return ["logits"] if len(names) == 1 else [f"{name}_output" if name in inputs else name for name in names]


def _batch_axes(network: nn.Module, batch: Batch, axis: Any) -> dict[str, Any]:
    """The first axis of each input is `axis`, as torch.export wants it: by the names of forward's arguments."""
    bound = _bound(network, batch).arguments
    return {name: map_batch(value, lambda _: {0: axis}) for name, value in bound.items()}


def _bound(network: nn.Module, batch: Batch) -> inspect.BoundArguments:
    args, kwargs = bind(network, batch)
    return inspect.signature(network.forward).bind(*args.values(), **kwargs)


def refuse_missing() -> None:
    """Raise ValueError unless the extra `export` is installed; to be asked before a training that ends in `onnx`."""
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise ValueError(f"ONNX needs {', '.join(missing)}: pip install 'cnn-pruning[export]'")


def prepare(network: nn.Module, image_shape: Shapes) -> tuple[nn.Module, Batch]:
    """A copy in eval on the CPU, and example images."""
    bare = copy.deepcopy(network).cpu().eval()
    return bare, random_batch(image_shape, EXAMPLE_BATCH, float_type(bare), EXAMPLE_BATCH)


@torch.no_grad()
def _relative_difference(content: bytes, network: nn.Module, count: int, image_shape: Shapes) -> float:
    batch = random_batch(image_shape, count, float_type(network), count)
    session = import_module("onnxruntime").InferenceSession(content, providers=["CPUExecutionProvider"])
    read = {value.name for value in session.get_inputs()}  # one that nobody reads is left out
    given = {name: value.numpy() for name, value in named_inputs(network, batch).items() if name in read}
    of_onnx = session.run(None, given)
    with exact_float32():
        of_network = [output.numpy() for output in flatten_output(call(network, batch))]
    if [output.shape for output in of_onnx] != [output.shape for output in of_network]:
        return float("inf")
    return max(map(relative_distance, of_onnx, of_network))


def relative_distance(of_onnx: np.ndarray, of_network: np.ndarray) -> float:
    """The largest difference relative to the largest value; classes and masks count as numbers."""
    difference, scale = np.abs(of_onnx.astype(float) - of_network), float(np.abs(of_network.astype(float)).max())
    return float(difference.max()) / scale if scale else float("inf" if difference.any() else 0)
