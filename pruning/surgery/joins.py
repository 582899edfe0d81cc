"""Where a narrow tensor meets a wide one, in the form that runtimes of ONNX files compute fastest.

What is stored is always narrow. ONNX Runtime 1.32 chooses channels, spreads them and adds to some of them in another
layout than that of its convolutions, and copies from one to the other; rows or columns of zeros in the convolution
beside are often cheaper.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from pruning.surgery.align import AddAt, Choose, Spread
from pruning.surgery.forms import called_layer
from pruning.surgery.narrow import Numbers, widen_columns, widen_filters, widen_norm

MOST = 50.0  # MACs with zeros for each number that is not moved: `python -m experiments.benchmarks.joins`
WIDTH = "width"  # in a node's `meta`: channels that zeros have been written for
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def write_zeros(network: nn.Module, inputs: Sequence[Any], most: float = MOST) -> nn.Module:
    """A compacted network in eval, the same function, its joins as wide as what they join where zeros are cheap.

    Args:
        inputs: of forward, for its shapes.
        most: MACs with zeros for each number that is not moved any more.
    """
    if not isinstance(network, fx.GraphModule) or not any(type(layer) in FILLERS for layer in network.modules()):
        return network
    filled = copy.deepcopy(network)
    ShapeProp(filled).propagate(*inputs)
    for node in list(filled.graph.nodes):
        if filler := FILLERS.get(type(called_layer(filled, node))):
            filler(filled, node, most)
    filled.delete_all_unused_submodules()
    filled.recompile()
    return filled


def _fill_sum(network: fx.GraphModule, join: fx.Node, most: float) -> None:
    layer: Any = called_layer(network, join)
    wide, narrow = join.args
    if layer.axis == 1 and _widen_makers(network, narrow, layer.places, _width(wide), most):
        with network.graph.inserting_before(join):
            total = network.graph.call_function(operator.add, (wide, narrow))
        total.meta = join.meta
        _replace(join, total)


def _fill_spread(network: fx.GraphModule, spread: fx.Node, most: float) -> None:
    layer: Any = called_layer(network, spread)
    places = (layer.index < layer.held).nonzero().flatten()
    order = layer.index[places].argsort()
    if layer.axis == 1 and _widen_makers(network, spread.args[0], places[order], layer.width, most):
        _replace(spread, spread.args[0])


def _fill_choice(network: fx.GraphModule, choice: fx.Node, most: float) -> None:
    """Of a convolution that alone reads some of the channels: it reads all of them."""
    layer: Any = called_layer(network, choice)
    readers = list(choice.users)
    conv = _plain_conv(network, readers[0]) if len(readers) == 1 else None
    if conv is None or layer.axis != 1 or len(layer.index.unique()) < len(layer.index):
        return
    width = _width(choice.args[0])
    zeros = (width - conv.in_channels) * conv.weight[:, 0].numel() * _pixels(readers[0])
    if zeros <= most * conv.in_channels * _pixels(choice):
        network.set_submodule(str(readers[0].target), widen_columns(conv, layer.index, width))
        _replace(choice, choice.args[0])


def _widen_makers(network: fx.GraphModule, narrow: Any, places: Numbers, width: int, most: float) -> bool:
    """Have the convolution behind a tensor, and the norms between, make zeros beside its channels; False: they cannot,
    or it takes too many MACs."""
    norms: list[fx.Node] = []
    while isinstance(called_layer(network, narrow), NORMS) and len(narrow.users) == 1:
        norms.append(narrow)
        narrow = narrow.args[0]
    conv = _plain_conv(network, narrow)
    if conv is None or len(narrow.users) > 1:
        return False
    if (width - conv.out_channels) * conv.weight[0].numel() > most * width:
        return False
    network.set_submodule(str(narrow.target), widen_filters(conv, places, width))
    for node in norms:
        network.set_submodule(str(node.target), widen_norm(called_layer(network, node), places, width))
    for node in (narrow, *norms):
        node.meta[WIDTH] = width
    return True


def _plain_conv(network: fx.GraphModule, node: fx.Node) -> Any:
    """The convolution that a node calls, if it has no groups and nothing else calls it."""
    layer: Any = called_layer(network, node)
    if type(layer) not in CONVS or layer.groups > 1 or len(node.args) > 1 or node.kwargs:
        return None
    return layer if sum(other.target == node.target for other in network.graph.nodes) == 1 else None


def _replace(node: fx.Node, other: Any) -> None:
    node.replace_all_uses_with(other)
    node.graph.erase_node(node)


def _width(node: Any) -> int:
    return node.meta.get(WIDTH, node.meta["tensor_meta"].shape[1])  # type: ignore[no-any-return]


def _pixels(node: fx.Node) -> int:
    return node.meta["tensor_meta"].shape[2:].numel()  # type: ignore[no-any-return]


FILLERS: dict[type, Callable[[fx.GraphModule, fx.Node, float], None]] = {
    AddAt: _fill_sum,
    Spread: _fill_spread,
    Choose: _fill_choice,
}
