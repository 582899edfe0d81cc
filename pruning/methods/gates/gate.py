"""Gates as parametrisations: v scales every filter, before the norm (the paper) or after it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pruning.graph.graph import Graph
from pruning.graph.sites import norm_after
from pruning.selection import TRANSPOSED

TENSORS = ("weight", "bias")


class Gate(nn.Module):
    """v in R^m, one figure for each filter; scales by v over where it started, so that at first nothing changes.

    `axis`: where a weight has its filters.
    """

    start: Float[Tensor, " filters"]

    def __init__(self, start: Float[Tensor, " filters"], axis: int = 0) -> None:
        super().__init__()
        self.axis = axis
        self.v = nn.Parameter(start.clone())
        self.register_buffer("start", start.clone())

    def forward(self, value: Float[Tensor, "filters ..."]) -> Float[Tensor, "filters ..."]:
        axis = self.axis if value.ndim > 1 else 0
        return value * (self.v / self.start).view([-1 if d == axis else 1 for d in range(value.ndim)])


def rank_gates(norms: Float[Tensor, " filters"], ratio: float) -> Float[Tensor, " filters"]:
    """Gates from 1 for the largest norm down to 1 - `ratio` for the smallest, by rank; ties by index.

    From equal gates the whole layer swings about 1/2 together and rounding decides who ends where; from these, a loss
    that says nothing leaves the order of the norms.
    """
    ranks = torch.empty(len(norms), dtype=torch.float64)
    ranks[norms.cpu().sort(descending=True, stable=True).indices] = torch.linspace(0, 1, len(norms)).double()
    return (1 - ratio * ranks).to(norms)


def gate_targets(graph: Graph, sites: list[str], kind: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """For every site the layer that its gate sits on, and which of that layer's tensors the gate scales.

    "filter": the convolution's weight (diag(v) W, Li et al. 2019, equation 3). "norm": scale and shift of the norm that
    alone reads the convolution, or, where there is none, the convolution's own weight and bias.
    """
    if kind == "filter":
        return {name: (name, ("weight",)) for name in sites}
    return {name: (norm_after(graph, name) or name, TENSORS) for name in sites}


def attach_gates(
    network: nn.Module, targets: dict[str, tuple[str, tuple[str, ...]]], starts: dict[str, Float[Tensor, " filters"]]
) -> dict[str, Gate]:
    """Put a gate on every place, in place; the gates by site."""
    gates = {}
    for site, (name, tensors) in targets.items():
        layer = network.get_submodule(name)
        axis = 1 if isinstance(layer, TRANSPOSED) and layer.groups == 1 else 0
        gates[site] = Gate(starts[site].to(layer.get_parameter("weight")), axis)
        for tensor in tensors:
            if getattr(layer, tensor) is not None:
                parametrize.register_parametrization(layer, tensor, gates[site], unsafe=True)
    return gates


def gate_on(network: nn.Module, target: tuple[str, tuple[str, ...]]) -> Gate:
    """The gate that sits on a place of an attached network."""
    gate = network.get_submodule(target[0]).parametrizations.weight[0]  # type: ignore[union-attr, index]
    assert isinstance(gate, Gate)
    return gate


def plain_tensors(network: nn.Module, target: tuple[str, tuple[str, ...]]) -> list[nn.Parameter]:
    """The tensors that a gate scales, as they are without it."""
    parametrizations = network.get_submodule(target[0]).parametrizations
    return [parametrizations[tensor].original for tensor in target[1] if tensor in parametrizations]  # type: ignore[index, operator, union-attr]


def remove_gates(network: nn.Module, targets: dict[str, tuple[str, tuple[str, ...]]], scaled: bool) -> None:
    """Remove the gates, in place, order as before; the tensors are as they were trained, or `scaled` by their gates."""
    for name, tensors in targets.values():
        layer = network.get_submodule(name)
        for tensor in tensors:
            if parametrize.is_parametrized(layer, tensor):
                parametrize.remove_parametrizations(layer, tensor, leave_parametrized=scaled)
        order = sorted(layer._parameters, key=lambda key: TENSORS.index(key) if key in TENSORS else len(TENSORS))
        layer._parameters = {key: layer._parameters[key] for key in order}
