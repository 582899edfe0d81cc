"""Back from a small network to the full-size one: where each of its numbers came from.

Found by compaction itself: the full-size network with every number replaced by its place is compacted, and what stands
in the small one then are the places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pruning.graph.attachments import duplicate
from pruning.graph.cost import Cost, predict
from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import analyse
from pruning.selection import Selection, filters_first
from pruning.surgery.compact import compact, folded_weights, parameter_origins
from pruning.surgery.mask import mask


class Origin(NamedTuple):
    """Of one tensor of a small network."""

    name: str  # of the full-size tensor
    places: Int[Tensor, "..."]  # in that one laid out flat, for each number of the small one; -1: a stored zero


Origins = Mapping[str, Origin]  # by the small tensor's name in the state dict


@torch.no_grad()
def find_origins(network: nn.Module, selection: Selection, image_shape: Shapes) -> Origins:
    """For every floating tensor that `compact(network, selection)` has from the network.

    Raises:
        ValueError: as `compact`; or a weight that forward computes has been cut: its numbers come from nowhere.
    """
    graph = trace(network, image_shape)
    numbered = duplicate(network).double()  # whole numbers up to 2^53
    for tensor in numbered.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.arange(1, tensor.numel() + 1, dtype=tensor.dtype).view_as(tensor))
    small = compact(numbered, selection, image_shape, graph)
    if folded := folded_weights(small):
        raise ValueError(f"{min(folded)} is computed in forward, and has been cut: nothing can be put back into it")
    names, known = parameter_origins(small), network.state_dict()
    return {
        name: Origin(origin, numbers.long() - 1)
        for name, numbers in small.state_dict().items()
        if (origin := names.get(name, name)) in known and numbers.is_floating_point()
    }


@dataclass(frozen=True)
class FullSize:
    """What a small network is in the coordinates of the one that it was cut from."""

    network: nn.Module  # of full size, with any numbers
    selection: Selection  # what was left of it
    small: nn.Module  # of the shape of compact(network, selection)
    image_shape: Shapes

    @cached_property
    def graph(self) -> Graph:
        return trace(self.network, self.image_shape)

    @cached_property
    def origins(self) -> Origins:
        return find_origins(self.network, self.selection, self.image_shape)

    @torch.no_grad()
    def expand(self, small: nn.Module) -> nn.Module:
        """The full-size network that computes what `small` does, a network of that shape with numbers of its own:
        these at their places, all else silenced."""
        full = duplicate(self.network)
        target, values = full.state_dict(), small.state_dict()
        for name, (origin, places) in self.origins.items():
            held, flat = places >= 0, target[origin].flatten()
            flat[places[held]] = values[name][held].to(flat)
            target[origin].copy_(flat.view_as(target[origin]))
        return mask(full, self.selection, self.image_shape, self.graph)

    def lift(self, choice: Selection) -> Selection:
        """A selection of the small network in full-size coordinates, with what had gone before.

        A row or column of which nothing is left goes whole, with the kernels that the small network does not have.
        """
        masks = {**Selection.full(self.network), **self.selection}
        for name, kept in choice.items():
            origin, places = self.origins[f"{name}.weight" if f"{name}.weight" in self.origins else name]
            layer, weight = origin.removesuffix(".weight"), self.network.state_dict()[origin]
            first = filters_first(places, _layer(self.small, name)).flatten(2)[:, :, 0]  # of each kernel
            rows, columns = _rows_and_columns(weight, _layer(self.network, layer))
            present = first >= 0
            gone = torch.zeros_like(masks[layer])
            gone[rows[first[~kept & present]], columns[first[~kept & present]]] = True
            gone[rows[first[~kept.any(1)[:, None] & present]]] = True
            gone[:, columns[first[~kept.any(0) & present]]] = True
            masks[layer] = masks[layer] & ~gone
        return Selection(masks)

    def cost(self, choice: Selection) -> Cost:
        """Of what is cut from the full-size network; cut from the small one it may be larger, of the same function."""
        return predict(analyse(self.graph, self.lift(choice)))


def _rows_and_columns(weight: Tensor, layer: object) -> tuple[Int[Tensor, " numbers"], Int[Tensor, " numbers"]]:
    """Of every number of a weight laid out flat as it is stored."""
    places = filters_first(torch.arange(weight.numel()).view(weight.shape), layer).flatten(2)
    rows, columns = torch.empty(2, weight.numel(), dtype=torch.long)
    rows[places] = torch.arange(places.shape[0])[:, None, None]
    columns[places] = torch.arange(places.shape[1])[None, :, None]
    return rows, columns


def _layer(network: nn.Module, name: str) -> object:
    """The layer, or the holder of a parameter that is named itself."""
    return dict(network.named_modules()).get(name, network)
