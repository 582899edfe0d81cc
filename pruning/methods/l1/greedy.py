"""The greedy ranking of Li et al. 2017, section 3.2: norms without the kernels of input maps that are gone already."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, fx

from pruning.graph.graph import Graph
from pruning.graph.ops import Weighted
from pruning.graph.units import Unit

Scores = dict[str, Float[Tensor, " _"]]
Norms = Mapping[str, Float[Tensor, "_ _"]]


def greedy_scores(
    graph: Graph, units: Mapping[str, Unit], norms: Norms, scores: Scores, counts: Mapping[str, int]
) -> Scores:
    """The scores of each unit once those before it, in order of execution, keep `counts` of their filters.

    Args:
        norms: of every single kernel, by layer, [out, in].
        scores: with all kernels; units of several layers, which stand at several places, are ranked by these.
    """
    alone = {unit.members[0]: name for name, unit in units.items() if len(unit.members) == 1}
    found, live = dict(scores), dict[fx.Node, Bool[Tensor, " _"]]()
    kernels: dict[str, Tensor] = {}
    for name, unit in units.items():
        if len(unit.members) > 1:
            _keep(graph, unit, scores[name], counts[name], kernels)
    for node, op in graph.ops.items():
        ins = [live[source] for source in op.inputs]
        if isinstance(op, Weighted) and op.name in alone:
            unit = units[name := alone[op.name]]
            remaining = norms[op.name] * op.kernels(ins[0], {})
            found[name] = unit.sum_members({op.name: remaining.sum(1)})
            _keep(graph, unit, found[name], counts[name], kernels)
        live[node] = op.live(ins, kernels)
    return found


def _keep(graph: Graph, unit: Unit, scores: Tensor, count: int, kernels: dict[str, Tensor]) -> None:
    """Take the filters that a unit loses out of the kernels of its members."""
    kept = unit.largest(scores, count)
    for member in unit.members:
        rows = unit.filters_kept(member, kept)[:, None]
        shape = graph.weighted()[member].weight.shape[:2]
        kernels[member] = rows & kernels.get(member, torch.ones(shape, dtype=torch.bool))
