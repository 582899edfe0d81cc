"""The same function, smaller: a copy of the network that carries live and read channels only."""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx, nn

from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import Liveness, analyse
from pruning.selection import Selection
from pruning.surgery.align import ColumnGroups
from pruning.surgery.builder import Builder
from pruning.surgery.wiring import Carrier

FOLDED = "folded_weights"  # in `meta` of a small network


def compact(
    network: nn.Module, selection: Selection, image_shape: Shapes, graph: Graph | None = None
) -> fx.GraphModule:
    """A physically smaller copy of a plain network that computes what `mask(network, selection)` computes.

    Layers that stay keep their names, so that their keys in the state dict are the same, and their order, so that an
    optimiser's state fits by its places. Modes, `requires_grad`, dtypes and devices are kept. `graph` may be given when
    the network has been traced already.

    A layer whose forward computes its weight from tensors of its own (weight standardisation) goes on to do so where
    nothing of it is cut. Where something is, the small one is a plain layer with the weight as it was computed, which
    is trained as such from there on.

    Raises:
        ValueError: as `analyse`; or a layer whose kernels survive in a pattern that has no small form.
    """
    return build_small(network, analyse(graph or trace(network, image_shape), selection))


def build_small(network: nn.Module, liveness: Liveness) -> fx.GraphModule:
    """As `compact`, of a selection that has been analysed already."""
    return build_with_carriers(network, liveness)[0]


def build_with_carriers(network: nn.Module, liveness: Liveness) -> tuple[fx.GraphModule, dict[fx.Node, Carrier]]:
    """The small network, and for each node of the traced one what stands for it there, with which channels."""
    builder = Builder(network, liveness)
    modules, small_graph = builder.build()
    for node in small_graph.nodes:
        node.type = None  # annotations of the full-size forward: torch.save and torch.jit.script fail on them
    small = fx.GraphModule(modules, small_graph, class_name=type(network).__name__)
    _erase_unread(small)
    _copy_settings(small, builder.wiring.layers)
    folded = (f"{name}.weight" for name in liveness.graph.trace.normal.computed if name in builder.wiring.modules)
    small.meta[FOLDED] = frozenset(folded)
    return small, builder.wiring.carriers


def _erase_unread(small: fx.GraphModule) -> None:
    if all(node.users or node.op in ("placeholder", "output") for node in small.graph.nodes):
        return  # as nearly always: torch would write the same code once more
    small.graph.eliminate_dead_code()
    small.delete_all_unused_submodules()
    small.recompile()


def folded_weights(small: nn.Module) -> frozenset[str]:
    """Names of the weights that forward of the full-size network computes, and that are the small one's own."""
    folded: frozenset[str] = getattr(small, "meta", {}).get(FOLDED, frozenset())
    return folded


def parameter_origins(small: nn.Module) -> dict[str, str]:
    """For each parameter of a compacted network the name of the full-size one that it was cut from.

    They differ where a layer has become several (`ColumnGroups`). A folded weight (`folded_weights`) has been computed
    from its origin, and not cut.
    """
    split = {name: layer for name, layer in small.named_modules() if isinstance(layer, ColumnGroups)}
    parts = {
        f"{name}.{path}": f"{name}.{path.rpartition('.')[2]}"
        for name, layer in split.items()
        for path, _ in layer.named_parameters()
    }
    return {name: parts.get(name, name) for name, _ in small.named_parameters()}


def copy_order(small: nn.Module, network: nn.Module) -> None:
    """fx registers modules as the graph calls them; they shall stand as in the network, modules of our own last."""
    originals = dict(network.named_modules(remove_duplicate=False))
    for name, module in small.named_modules():
        if name in originals:
            _copy_order(module, originals[name])


def _copy_settings(small: nn.Module, originals: Mapping[str, nn.Module]) -> None:
    """What fx forgets: the order of modules, their modes (of what is new its block's), and what is not to be saved."""
    for name, module in small.named_modules():
        original = originals.get(name, originals.get(name.rpartition(".")[0], originals[""]))
        if name in originals:
            _copy_order(module, original)
            module._non_persistent_buffers_set |= original._non_persistent_buffers_set & module._buffers.keys()
        if module.training is not original.training:
            module.training = original.training


def _copy_order(module: nn.Module, original: nn.Module) -> None:
    for table in ("_modules", "_parameters", "_buffers"):
        own, order = getattr(module, table), getattr(original, table)
        if len(own) > 1 and list(own) != list(order):
            setattr(module, table, {key: own[key] for key in [*(key for key in order if key in own), *own]})
