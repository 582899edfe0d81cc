"""What a network costs: MACs, parameters, bytes, measured latency; and what it would cost under a selection.

One MAC is one multiply-add of a convolution or a linear layer; nothing else counts. `authors_ops` is the other rule,
that of the FCF authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode

from pruning.graph.inputs import Shape, Shapes, call, empty_batch
from pruning.graph.layout import dense_blocks, rectangle
from pruning.graph.liveness import Liveness
from pruning.graph.normalise import FUNCTIONS
from pruning.graph.ops import Channelwise, Linear, Norm, NormOverChannels, Op, Opaque, Slopes, Source, Weighted
from pruning.graph.tracing import TRACED_IMAGES, Trace, float_type, skeleton
from pruning.modes import eval_mode
from pruning.selection import SELECTABLE, TRANSPOSED
from pruning.timing import time_by_turns


@dataclass(frozen=True)
class Cost:
    """MACs for one image, and parameters."""

    macs: int
    params: int


def count_macs(network: nn.Module, image_shape: Shapes) -> int:
    """MACs of one image through a network as it stands; nothing is computed (meta device)."""
    bare, counter = skeleton(network).eval(), _MacCounter()
    with torch.no_grad(), torch.device("meta"), counter:
        call(bare, empty_batch(image_shape, 1, float_type(bare)))
    return counter.macs


class _MacCounter(TorchFunctionMode):
    """Counts every call of a function that applies a weight; layers call such functions too."""

    macs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in FUNCTIONS and issubclass(FUNCTIONS[func].kind, SELECTABLE):
            given = {**dict(zip(FUNCTIONS[func].names, args, strict=False)), **(kwargs or {})}
            kind, image, weight = FUNCTIONS[func].kind, given["input"], given["weight"]
            self.macs += _macs(kind, weight.shape, image.shape, output.shape)
        return output


def _macs(kind: type[nn.Module], weight: Shape, input_shape: Shape, output_shape: Shape) -> int:
    """MACs of a whole batch through a layer of this kind that takes and makes tensors of these shapes.

    Its images need not lie along the first axis: windows and frames may be there too.
    """
    counted_shape = input_shape if issubclass(kind, TRANSPOSED) else output_shape
    width = counted_shape[-1] if issubclass(kind, nn.Linear) else counted_shape[1]
    return torch.Size(weight).numel() * torch.Size(counted_shape).numel() // width


def count_params(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _count_own_params(layer: nn.Module) -> int:
    """But for those of layers that hang on this one."""
    return sum(parameter.numel() for parameter in layer.parameters(recurse=False))


def count_bytes(network: nn.Module) -> int:
    """Bytes of parameters and of the buffers that are saved with them."""
    return sum(value.numel() * value.element_size() for value in network.state_dict().values())


@torch.no_grad()
def latencies(
    networks: Sequence[nn.Module], images: Float[Tensor, "b 3 h w"], least: int = 5, seconds: float = 0.5
) -> list[float]:
    """Seconds a batch takes each network in eval: medians of at least `least` runs and `seconds` in all for each.

    They run by turns after a warm-up, so that what else the machine does meets all of them alike.
    """
    with ExitStack() as modes:
        evaluated = [modes.enter_context(eval_mode(network)) for network in networks]
        works = {index: partial(_run_forward, network, images) for index, network in enumerate(evaluated)}
        return [times.median for times in time_by_turns(works, least, warm=2, seconds=seconds).values()]


def _run_forward(network: nn.Module, images: Tensor) -> None:
    """Over when it returns."""
    network(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)


def predict(liveness: Liveness) -> Cost:
    """Cost of the small network that compaction would build, without building it.

    Raises:
        ValueError: a layer whose pattern has no small form.
    """
    full = count_params(liveness.graph.trace.module)
    macs = params = 0
    for op in liveness.graph.ops.values():
        if isinstance(op, Weighted):
            cost = layer_cost(liveness, op)
            macs += cost.macs
            params += 0 if liveness.computes_weight(op) else cost.params - _count_own_params(op.layer)
        elif isinstance(op, (Norm, NormOverChannels, Slopes)):
            layer: Any = liveness.graph.trace.layer(op.node)
            params -= _count_own_params(layer) // op.width * int((~liveness.taken(op)).sum())
        elif isinstance(op, (Opaque, Source)):
            macs += _opaque_macs(liveness, op)
    return Cost(macs, full + params)


def _opaque_macs(liveness: Liveness, op: Op) -> int:
    """A layer, a block or a call that applies a weight costs what it did if it is not cut and anyone still reads it."""
    trace, shape = liveness.graph.trace, liveness.graph.shape
    applied, layer = trace.applied_weight(op.node), trace.layer(op.node)
    if not liveness.need(op.node).any():
        return 0
    if applied is not None and issubclass(applied[0], SELECTABLE):
        macs = _macs(*applied, shape(op.inputs[0]), shape(op.node))
    else:
        macs = 0 if layer is None or next(layer.children(), None) is None else _block_macs(layer, op.node, trace)
    return macs // TRACED_IMAGES if _is_of_each_image(op, trace) else macs


def _is_of_each_image(op: Op, trace: Trace) -> bool:
    """Is it made for every image? What no image changes is made once, but where it is given the size of the batch."""
    if not isinstance(op, Source):
        return True
    ancestors, todo = {op.node}, [op.node]
    while todo:
        further = set(todo.pop().all_input_nodes) - ancestors
        ancestors |= further
        todo += further
    asks_images = any(node.op == "placeholder" for node in ancestors)
    return asks_images and trace.shapes[op.node][:1] == (TRACED_IMAGES,)


def _block_macs(block: nn.Module, node: fx.Node, trace: Trace) -> int:
    """MACs of the traced batch through a block that tracing has left whole, such as one with a hook."""
    args, kwargs = fx.map_arg((node.args, node.kwargs), trace.values.__getitem__)
    with torch.no_grad(), torch.device("meta"), _MacCounter() as counter, eval_mode(block):
        block(*args, **kwargs)
    return counter.macs


def layer_cost(liveness: Liveness, op: Weighted) -> Cost:
    """Cost of the small form of one layer."""
    kernels, filters = _kernels_and_filters(liveness, op)
    params = kernels * op.kernel_size
    return Cost(params * _positions(liveness, op), params + (filters if op.layer.bias is not None else 0))


def _kernels_and_filters(liveness: Liveness, op: Weighted) -> tuple[int, int]:
    """Kernels and filters that the small form of a layer has, padding of grouped ones included."""
    kernels = liveness.kernels(op)
    if not kernels.numpy().any():
        return 0, 0
    if op.groups > 1:
        shape = rectangle(kernels, op.groups)
        return shape.kernels, shape.rows.numel()
    parts = dense_blocks(op.name, kernels)
    return sum(part.kernels for part in parts), sum(len(part.rows) for part in parts)


def _positions(liveness: Liveness, op: Weighted) -> int:
    """Positions at which the layer is applied to one image."""
    shape = liveness.graph.shape(op.inputs[0] if isinstance(op.layer, TRANSPOSED) else op.node)
    return torch.Size(shape).numel() // shape[op.axis] // TRACED_IMAGES


def authors_ops(liveness: Liveness) -> int:
    """Operations of one image as the FCF authors count them (pruning/methods/fcf/card.md).

    MACs of convolutions and linear layers, biases of linear layers, inputs of batch norms and of activation modules
    at full width, and window x outputs of pooling.
    """
    total = predict(liveness).macs
    for node, op in liveness.graph.ops.items():
        if node not in liveness.graph.trace.shapes:  # several tensors at once
            continue
        layer = liveness.graph.trace.layer(node)
        outputs = torch.Size(liveness.graph.shape(node)[1:]).numel()
        if isinstance(op, Linear):
            total += _kernels_and_filters(liveness, op)[1]
        elif isinstance(op, Norm) or type(layer) is nn.ReLU:
            total += outputs
        elif isinstance(op, Channelwise) and "pool" in str(node.target if layer is None else type(layer)).lower():
            total += _window_size(liveness, op) * outputs
    return total


def _window_size(liveness: Liveness, op: Channelwise) -> int:
    """Pixels that one output of a pooling looks at; a global one looks at all."""
    before, after = liveness.graph.shape(op.inputs[0]), liveness.graph.shape(op.node)
    kernel = getattr(liveness.graph.trace.layer(op.node), "kernel_size", None)
    if kernel is not None:
        return kernel**2 if isinstance(kernel, int) else kernel[0] * kernel[1]
    return torch.Size(before[2:]).numel() // torch.Size(after[2:]).numel()
