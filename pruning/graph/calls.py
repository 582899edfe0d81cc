"""One call of a traced network, as what decides on its operation sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn

from pruning.graph.ops import Op, Source
from pruning.graph.reshaping import is_reshaping
from pruning.graph.tracing import Shape, Trace

SIZES = (-2, 3)  # what stands for a number that only the images' size tells, which may be anything


@dataclass(frozen=True)
class Call:
    """A node that makes a tensor out of others, and the operations before it."""

    node: fx.Node
    trace: Trace
    ops: dict[fx.Node, Op]

    @cached_property
    def layer(self) -> nn.Module | None:
        return self.trace.layer(self.node)

    @property
    def kind(self) -> object:
        """What tables speak of: a layer's exact class, a function, or the name of a method."""
        return self.node.target if self.layer is None else type(self.layer)

    @cached_property
    def tensors(self) -> tuple[fx.Node, ...]:
        """The tensors that it takes, each once."""
        return input_tensors(self.node, self.trace)

    @property
    def source(self) -> fx.Node:
        return self.tensors[0]

    @property
    def axis(self) -> int:
        """Where its first tensor has its channels."""
        return self.ops[self.source].axis

    @property
    def shape(self) -> Shape:
        return self.trace.shapes[self.node]

    @property
    def rank(self) -> int:
        """Of its first tensor."""
        return len(self.trace.shapes[self.source])

    @property
    def takes_one_tensor(self) -> bool:
        return len(self.tensors) == 1 and self.source in self.trace.shapes

    def argument(self, name: str, place: int, default: Any = None) -> Any:
        """What it is called with, by place (the first tensor has place 0) or by name."""
        return self.node.args[place] if place < len(self.node.args) else self.node.kwargs.get(name, default)

    def varying_tensors(self) -> list[fx.Node]:
        """The tensors that images change."""
        return [tensor for tensor in self.tensors if tensor in self.trace.shapes and not self.is_constant(tensor)]

    def is_constant(self, tensor: fx.Node) -> bool:
        """Is a tensor the same for all images: a parameter, a constant, or made of such alone?"""
        return isinstance(self.ops[tensor], Source) and tensor.op != "placeholder"


def input_tensors(node: fx.Node, trace: Trace) -> tuple[fx.Node, ...]:
    """The tensors that a node takes; a tuple of pieces counts as the tensor that it was cut from."""
    tensors: dict[fx.Node, None] = {}
    for source in node.all_input_nodes:
        if source in trace.bundles and is_reshaping(source, trace):
            tensors |= dict.fromkeys(input_tensors(source, trace))
        elif source in trace.shapes or source in trace.bundles:
            tensors[source] = None
    return tuple(tensors)


def keeps_zero(call: Call) -> bool:
    """Does a call make zeros out of zeros, in place of all tensors that it takes? It is asked on zeros, which settles
    every constant by its value. A number that hangs on the size of images is tried as a negative and a positive one.
    """
    open_numbers = any(node not in call.trace.shapes for node in call.node.all_input_nodes)
    return all(_makes_zeros(call, size) for size in (SIZES if open_numbers else SIZES[:1]))


def layer_keeps_zero(layer: nn.Module) -> bool:
    """The same of an elementwise layer."""
    return not bool(layer(torch.zeros(2, device="cpu")).count_nonzero())


def _makes_zeros(call: Call, size: int) -> bool:
    """On zeros, or on masks that are false everywhere if it takes only such; what takes neither keeps no zero."""
    for kind in (torch.float, torch.bool):

        def value(node: fx.Node, kind: torch.dtype = kind) -> Any:
            shape = call.trace.shapes.get(node)
            return size if shape is None else torch.zeros((2,) * len(shape), dtype=kind, device="cpu")

        args, kwargs = fx.map_arg((call.node.args, call.node.kwargs), value)
        with suppress(Exception):  # a function refuses in its own words
            return not bool(_function(call)(*args, **kwargs).count_nonzero())
    return False


def _function(call: Call) -> Callable[..., Any]:
    if call.layer is not None:
        return call.layer
    return getattr(Tensor, call.node.target) if isinstance(call.node.target, str) else call.node.target
