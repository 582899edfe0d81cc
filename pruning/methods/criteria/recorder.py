"""One pass of each batch, forward and back, in which all quantities of all layers are summed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.hooks import RemovableHandle

from pruning.graph.graph import Graph
from pruning.graph.inputs import Batch, bind, inputs_of
from pruning.methods.base import Loss
from pruning.methods.criteria.moments import Moments
from pruning.methods.criteria.quantities import QUANTITIES, Watch
from pruning.methods.criteria.taps import Tap, watchable
from pruning.modes import exact_float32

Batches = Iterable[tuple[Batch, Loss]]


def gather_moments(
    network: nn.Module,
    graph: Graph,
    layers: Sequence[str],
    quantities: Sequence[str],
    batches: Batches,
) -> Moments:
    """What batches show of some layers of a network, which stays as it is; in eval.

    Args:
        graph: of the network.
        quantities: names of `QUANTITIES`; what several criteria ask is gathered once.
        batches: inputs, and the loss of the network's outputs for them, a mean over the images; asked for only where
            gradients are.
    """
    recorder = Recorder(network, graph, layers, quantities)
    return sum((recorder.record(images, loss) for images, loss in batches), Moments())


class Recorder:
    """Holds a copy of the network for as long as it observes."""

    def __init__(self, network: nn.Module, graph: Graph, layers: Sequence[str], quantities: Sequence[str]) -> None:
        self.network, self.taps = watchable(network, graph, layers)
        self.quantities = quantities
        self.backward = any(QUANTITIES[quantity].gradients for quantity in quantities)

    def record(self, inputs: Batch, loss: Loss) -> Moments:
        images = len(next(iter(inputs_of(inputs).values())))
        run = _Run(self.network, images)
        for quantity in self.quantities:
            for tap in self.taps:
                run.watch(quantity, tap)
        with exact_float32(), torch.set_grad_enabled(self.backward):
            outputs = run.run(*_in_order(self.network, inputs))
            if self.backward:
                (loss(outputs) * images).backward()
        run.forget()
        return Moments(images, run.sums)


class _Run(fx.Interpreter):
    """Of one batch."""

    def __init__(self, network: fx.GraphModule, images: int) -> None:
        super().__init__(network)
        self.images = images
        self.watches: dict[fx.Node, list[tuple[str, Tap, Watch]]] = {}
        self.sums: dict[str, dict[str, Tensor]] = {}
        self.handles: list[RemovableHandle] = []

    def watch(self, quantity: str, tap: Tap) -> None:
        watch = QUANTITIES[quantity].watch(tap, self.images)
        self.watches.setdefault(watch.node, []).append((quantity, tap, watch))
        self.sums.setdefault(quantity, {})[tap.name] = torch.zeros(tap.filters, dtype=torch.double)

    def run_node(self, node: fx.Node) -> Any:
        value = super().run_node(node)
        for quantity, tap, watch in self.watches.get(node, ()):
            kept = watch.keep(self.env[node.all_input_nodes[0]].detach(), value.detach())
            if QUANTITIES[quantity].gradients:
                value = _with_gradient(value)
                hook = partial(self.add_gradient, quantity, tap, watch, kept)
                self.handles.append(value.register_hook(hook))
            else:
                self.add(quantity, tap, watch.figure(kept, None))
        return value

    def add_gradient(self, quantity: str, tap: Tap, watch: Watch, kept: Tensor, gradient: Tensor) -> None:
        self.add(quantity, tap, watch.figure(kept, gradient))

    def forget(self) -> None:
        """Hooks and what they keep: a cycle through autograd, which Python does not see."""
        for handle in self.handles:
            handle.remove()
        self.env.clear()

    def add(self, quantity: str, tap: Tap, figures: Tensor) -> None:
        self.sums[quantity][tap.name][tap.channels] += figures.cpu().double()


def _with_gradient(value: Tensor) -> Tensor:
    """What gradients reach, and what may be changed in place."""
    return value if value.requires_grad else value.detach().requires_grad_().clone()


def _in_order(network: fx.GraphModule, inputs: Batch) -> list[Any]:
    """Of the network's placeholders."""
    by_place, by_name = bind(network, inputs)
    given = {**by_place, **by_name}
    places = [node for node in network.graph.nodes if node.op == "placeholder"]
    return [given[node.target] if node.target in given else node.args[0] for node in places]
