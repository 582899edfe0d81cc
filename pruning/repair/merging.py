"""Merging: a filter that goes hands what its readers made of it to the kept filter that it is nearest to. No images.

Right where nothing but batch norms, and then positively homogeneous activations and pooling, lie between a filter and
its readers: there f_j = a f_i with a > 0 comes out as a times what f_i comes out as, and the readers' columns of j may
be added, a-fold, to those of i.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, fx, nn

from pruning.graph.attachments import duplicate
from pruning.graph.graph import Graph
from pruning.graph.liveness import Liveness
from pruning.graph.ops import Cat, Channelwise, Index, Norm, Op, Weighted
from pruning.graph.tables import spellings
from pruning.repair.joins import is_batch_norm, norm_scale
from pruning.selection import SELECTABLE, filters_first

HOMOGENEOUS: frozenset[object] = frozenset(
    {
        *(nn.ReLU, nn.LeakyReLU, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
        *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
    }
) | spellings("relu leaky_relu dropout max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d mean contiguous")


@dataclass(frozen=True)
class Path:
    """From a layer's filters to a tensor: `filters` says whose channel each one is (-1: of none of them).

    `scale`, `shift`: what the norms on the way make of each filter. `bent`: an activation has passed.
    """

    node: fx.Node
    filters: Int[Tensor, " channels"]
    scale: Float[Tensor, " out"]
    shift: Float[Tensor, " out"]
    bent: bool = False

    def holds_each_once(self) -> bool:
        return torch.equal(self.filters[self.filters >= 0].sort().values, torch.arange(len(self.scale)))

    def counts(self) -> Int[Tensor, " out"]:
        """How many channels of the tensor are each filter's."""
        return torch.bincount(self.filters[self.filters >= 0], minlength=len(self.scale))


@dataclass(frozen=True)
class Reader:
    """What a layer mixes at the end of a path."""

    path: Path
    layer: Weighted


@torch.no_grad()
def merge_filters(network: nn.Module, after: Liveness) -> tuple[nn.Module, list[str], list[str]]:
    """A full-size copy whose readers make up for the filters that go, to be compacted in the network's place.

    Also the names of the layers that were merged, and of those that have lost filters and were not, or not everywhere.
    """
    merged = duplicate(network)
    done: list[str] = []
    left: list[str] = []
    for site in after.graph.weighted().values():
        kept = after.need(site.node)
        if kept.all() or not kept.any():
            continue
        ends = list(find_readers(site, merged, after)) if mixes_all(site) else [None]
        readers = [end for end in ends if end is not None]
        for reader in readers:
            merge_into_reader(merged, after, site, reader)
        (done if len(readers) == len(ends) else left).append(site.name)
    return merged, done, left


def find_readers(site: Weighted, network: nn.Module, after: Liveness) -> Iterator[Reader | None]:
    """All that reads a layer's channels in the cut network; None for a reader that cannot take a merged filter."""
    layer = after.graph.trace.plain(network, site.name)
    shift = layer.weight.new_zeros(site.width) if layer.bias is None else layer.bias.clone()
    todo = [Path(site.node, torch.arange(site.width), torch.ones_like(shift), shift)]
    while todo:
        path = todo.pop()
        for user in path.node.users:
            op = after.graph.ops.get(user)
            if op is None or (op.width and not after.need(user).any()):
                continue  # asks for a size, or is not there any more
            if isinstance(op, Weighted):
                yield Reader(path, op) if mixes_all(op) else None
            elif further := follow(path, op, network, after.graph):
                todo.append(further)
            else:
                yield None


def mixes_all(op: Weighted) -> bool:
    """Does each filter read all inputs, column by column of its weight?"""
    return op.groups == 1 and type(op.layer) in SELECTABLE


def follow(path: Path, op: Op, network: nn.Module, graph: Graph) -> Path | None:
    """The path past an operation; None where a merged filter would come out as something else."""
    if isinstance(op, Index):
        return replace(path, node=op.node, filters=torch.cat([path.filters, torch.tensor([-1])])[op.origin])
    if isinstance(op, Cat):
        parts = [path.filters if n is path.node else torch.full((graph.ops[n].width,), -1) for n in op.inputs]
        return replace(path, node=op.node, filters=torch.cat(parts))
    layer = graph.trace.layer(op.node)
    if isinstance(op, Norm):
        foldable = not path.bent and is_batch_norm(layer) and path.holds_each_once()
        return fold_norm(path, op, graph.trace.plain(network, str(op.node.target))) if foldable else None
    key: object = op.node.target if layer is None else type(layer)
    return replace(path, node=op.node, bent=True) if isinstance(op, Channelwise) and key in HOMOGENEOUS else None


def fold_norm(path: Path, op: Op, norm: Any) -> Path:
    """What a batch norm in eval makes of every filter."""
    scale = norm_scale(norm)
    shift = -norm.running_mean * scale + (0 if norm.bias is None else norm.bias)
    own = (path.filters >= 0).nonzero().flatten().to(scale.device)
    order = path.filters.to(scale.device)[own].argsort()
    scale, shift = scale[own][order], shift[own][order]
    return replace(path, node=op.node, scale=path.scale * scale, shift=path.shift * scale + shift)


def merge_into_reader(network: nn.Module, after: Liveness, site: Weighted, reader: Reader) -> None:
    """Change the weights of one reader, in place."""
    path, layer = reader.path, after.graph.trace.plain(network, reader.layer.name)
    weight = filters_first(layer.weight, layer)
    kept = after.need(site.node) & (path.counts() > 0)
    nearest, factor = find_nearest(filter_vectors(network, after, site, path), kept)
    for gone in torch.isfinite(factor).nonzero().flatten().tolist():
        columns = (path.filters == gone).nonzero().flatten().to(weight.device)
        others = (path.filters == int(nearest[gone])).nonzero().flatten().to(weight.device)
        if len(columns) == len(others):
            weight[:, others] += factor[gone] * weight[:, columns]


def filter_vectors(network: nn.Module, after: Liveness, site: Weighted, path: Path) -> Float[Tensor, "out in"]:
    """Each filter with its norms folded in, on the inputs that the cut network has; last its constant."""
    layer = after.graph.trace.plain(network, site.name)
    weight = filters_first(layer.weight, layer)
    live = after.live[site.inputs[0]].to(weight.device)
    return torch.cat([weight[:, live].flatten(1) * path.scale[:, None], path.shift[:, None]], 1)


def find_nearest(
    vectors: Float[Tensor, "out in"], kept: Bool[Tensor, " out"]
) -> tuple[Int[Tensor, " out"], Float[Tensor, " out"]]:
    """For each filter the kept one with the largest cosine, and by how much that one's output comes nearest to its own;
    infinite for those that are kept, and where the cosine is not positive."""
    kept = kept.to(vectors.device)
    lengths = vectors.norm(dim=1).clamp(min=torch.finfo(vectors.dtype).tiny)
    directions = vectors / lengths[:, None]
    cosine, nearest = (directions @ directions.T).masked_fill(~kept, -torch.inf).max(1)
    factor = cosine * lengths / lengths[nearest]
    return nearest, factor.masked_fill(kept | (cosine <= 0), torch.inf)
