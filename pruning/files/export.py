"""A network for other programs: a torch.export program, or an ONNX file that is checked before it is kept."""

from __future__ import annotations

import copy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pruning.files import durable
from pruning.graph.inputs import Shapes
from pruning.graph.tracing import float_type
from pruning.modes import exact_float32
from pruning.surgery.certificate import flatten_output

EXTRA = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # of the logits' scale, as the certificate's
EXAMPLE_BATCH = 2  # images it is exported with: 1 would be taken for a constant
CHECKED_BATCHES = (1, 3)


def exported(network: nn.Module, image_shape: Shapes) -> torch.export.ExportedProgram:
    """The network in eval as a torch.export program, for any number of images."""
    bare, images = _prepare(network, image_shape)
    return torch.export.export(bare, (images,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))


def onnx(network: nn.Module, image_shape: Shapes, path: Path | str) -> float:
    """Write the network in eval as an ONNX file: input `images` [batch, channels, height, width], output `logits` (that
    is the first of several).

    Returns the largest difference that ONNX Runtime shows on random images, relative to the output's largest value.

    Raises:
        ValueError: as `refuse_missing`; or the file computes something else, and nothing is written.
    """
    refuse_missing()
    bare, images = _prepare(network, image_shape)
    program: Any = torch.onnx.export(
        bare,
        (images,),
        dynamo=True,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        verbose=False,
    )
    content = program.model_proto.SerializeToString()
    distance = max(_relative_difference(content, bare, batch, image_shape) for batch in CHECKED_BATCHES)
    if not distance <= TOLERANCE:
        raise ValueError(
            f"the ONNX form differs from the network by {distance:.2e} of its outputs' scale, more than "
            f"{TOLERANCE:.0e}; use exported(), or another version of onnxscript"
        )
    durable.write(Path(path), content)
    return distance


def refuse_missing() -> None:
    """Raise ValueError unless the extra `export` is installed; to be asked before a training that ends in `onnx`."""
    if missing := [name for name in EXTRA if find_spec(name) is None]:
        raise ValueError(f"ONNX needs {', '.join(missing)}: pip install 'cnn-pruning[export]'")


def _prepare(network: nn.Module, image_shape: Shapes) -> tuple[nn.Module, Tensor]:
    """A copy in eval on the CPU, and example images."""
    bare = copy.deepcopy(network).cpu().eval()
    return bare, _random_images(EXAMPLE_BATCH, image_shape, float_type(bare))


def _random_images(batch: int, image_shape: Shapes, kind: torch.dtype) -> Tensor:
    return torch.randn(batch, *image_shape, generator=torch.Generator().manual_seed(batch)).to(kind)


@torch.no_grad()
def _relative_difference(content: bytes, network: nn.Module, batch: int, image_shape: Shapes) -> float:
    images = _random_images(batch, image_shape, float_type(network))
    session = import_module("onnxruntime").InferenceSession(content, providers=["CPUExecutionProvider"])
    of_onnx = session.run(None, {"images": images.numpy()})
    with exact_float32():
        of_network = [output.numpy() for output in flatten_output(network(images))]
    if [output.shape for output in of_onnx] != [output.shape for output in of_network]:
        return float("inf")
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(of_onnx, of_network, strict=True))
