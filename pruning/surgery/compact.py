"""The same function, smaller: a copy of the network that carries live and read channels only."""

from __future__ import annotations

from torch import fx, nn

from pruning.graph.graph import Graph, trace
from pruning.graph.liveness import analyse
from pruning.selection import Selection
from pruning.surgery.builder import Builder


def compact(
    network: nn.Module, selection: Selection, image_shape: tuple[int, int, int], graph: Graph | None = None
) -> fx.GraphModule:
    """A physically smaller copy of a plain network that computes what `mask(network, selection)` computes.

    Layers that stay keep their names, so that their keys in the state dict are the same. Modes, `requires_grad`,
    dtypes and devices are kept. `graph` may be given when the network has been traced already.

    Raises:
        ValueError: as `analyse`; or a layer whose kernels survive in a pattern that has no small form.
    """
    modules, small_graph = Builder(network, analyse(graph or trace(network, image_shape), selection)).build()
    small = fx.GraphModule(modules, small_graph, class_name=type(network).__name__)
    small.graph.eliminate_dead_code()
    small.delete_all_unused_submodules()
    small.recompile()
    _copy_modes(small, network)
    return small


def _copy_modes(small: nn.Module, network: nn.Module) -> None:
    modes = {name: module.training for name, module in network.named_modules()}
    for name, module in small.named_modules():
        module.training = modes.get(name, modes.get(name.rpartition(".")[0], network.training))
