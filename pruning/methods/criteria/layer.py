"""What a criterion may look at: one layer with its norm, its readers, and what batches have shown of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.graph.graph import Graph
from pruning.graph.readers import NOBODY, Origin, Reach, follow_filters, sum_columns, sum_origins
from pruning.graph.sites import norm_after
from pruning.graph.units import Unit
from pruning.methods.criteria.moments import Moments
from pruning.selection import filters_first

Figure = Callable[[Tensor], Tensor]  # of each number of a weight
Figures = Float[Tensor, " filters"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of a network that may be cut. All figures are float64 on the CPU, and computed once for all criteria.

    `coupled`: the layers whose filters are cut as one with its own, itself among them.
    """

    graph: Graph
    network: nn.Module
    name: str
    moments: Moments
    coupled: list[Layer] = field(default_factory=list)

    @cached_property
    def weight(self) -> Float[Tensor, "filters weights"]:
        """Each filter in a row; as applied, where forward computes it."""
        return self.kernels(self.name).flatten(1)

    @cached_property
    def squares(self) -> Figures:
        """The squared norm of each filter."""
        return self.weight.square().sum(1)

    @cached_property
    def gram(self) -> Float[Tensor, "filters filters"]:
        """Inner products of all filters with each other."""
        return self.weight @ self.weight.T

    @cached_property
    def scale(self) -> Figures:
        """Of the batch norm that alone reads the layer.

        Raises:
            ValueError: there is none, or it has no scale.
        """
        name = norm_after(self.graph, self.name)
        if name is None:
            raise ValueError(
                f"bn_scale needs a batch norm with a scale behind every layer that it cuts, and {self.name!r} has "
                "none: leave it out, or take a criterion that scores weights, such as l2"
            )
        return to_numbers(self.graph.trace.plain(self.network, name).weight)

    def mean(self, quantity: str) -> Figures:
        """Of one of `moments.QUANTITIES`, over the images that were observed."""
        return self.moments.mean(quantity, self.name)

    def sum_next(self, figure: Figure) -> Figures:
        """A figure of every number in the kernels that next read a filter's channel, added up."""
        reach = follow_filters(self.graph, self.name, past_depthwise=False)
        return self._sum(reach.readers, lambda name: self._columns(name, figure))

    def sum_group(self, figure: Figure) -> Figures:
        """The same of all that goes with a filter: of the norms and the depthwise layers that its channel passes, and
        of the kernels that read it in the end. What several coupled layers share counts once."""
        reach = self.reach
        readers = self._sum(reach.readers, lambda name: self._columns(name, figure) / self._sharing("readers", name))
        depthwise = self._sum(reach.depthwise, lambda name: self._rows(name, figure) / self._sharing("depthwise", name))
        norms = self._sum(reach.norms, lambda name: self._scales(name, figure) / self._sharing("norms", name))
        return readers + depthwise + norms

    @cached_property
    def reach(self) -> Reach:
        return follow_filters(self.graph, self.name)

    def kernels(self, name: str) -> Float[Tensor, "out in *kernel"]:
        """The weight of any layer, filters first."""
        layer = self.graph.trace.plain(self.network, name)
        return filters_first(to_numbers(layer.weight), layer)

    def _columns(self, name: str, figure: Figure) -> Float[Tensor, " channels"]:
        return sum_columns(figure(self.kernels(name)), self.graph.weighted()[name].groups)

    def _rows(self, name: str, figure: Figure) -> Float[Tensor, " channels"]:
        return figure(self.kernels(name)).flatten(1).sum(1)

    def _scales(self, name: str, figure: Figure) -> Float[Tensor, " channels"]:
        """Nothing for a norm without a scale for each channel."""
        scale, channels = getattr(self.graph.trace.plain(self.network, name), "weight", None), self.reach.norms[name]
        if isinstance(scale, nn.Parameter) and scale.shape == channels.shape:
            return figure(to_numbers(scale))
        return torch.zeros(len(channels), dtype=torch.double)

    def _sharing(self, kind: str, name: str) -> Float[Tensor, " channels"]:
        """How many of the coupled layers have a filter in each channel that a layer takes."""
        origins = (getattr(layer.reach, kind).get(name) for layer in self.coupled or [self])
        counts = sum((origin != NOBODY).double() for origin in origins if origin is not None)
        return torch.as_tensor(counts).clamp(min=1)

    def _sum(self, origins: Mapping[str, Origin], channels: Callable[[str], Tensor]) -> Figures:
        sums = self.weight.new_zeros(len(self.weight))
        for name, origin in origins.items():
            sums += sum_origins(channels(name), origin, len(sums))
        return sums


def to_numbers(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()


def make_layers(graph: Graph, network: nn.Module, units: Iterable[Unit], moments: Moments) -> dict[str, Layer]:
    """Of all members of units, by name; for every criterion that is asked of this state of the network."""
    layers: dict[str, Layer] = {}
    for unit in units:
        for name in unit.members:
            layer = layers.setdefault(name, Layer(graph, network, name, moments))
            layer.coupled.extend(
                layers.setdefault(other, Layer(graph, network, other, moments)) for other in unit.members
            )
    return layers
