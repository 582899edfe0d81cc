"""How much each layer minds being pruned: every site alone, at several ratios, untrained (Li et al. 2017, 3.2)."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from pruning.budget.problem import check_ratio, count_kept
from pruning.graph.attachments import duplicate
from pruning.graph.graph import trace
from pruning.graph.inputs import Shapes
from pruning.methods.base import Images, Loss, PruningMethod
from pruning.surgery import compact


@dataclass(frozen=True)
class Point:
    """Accuracy in [0, 1] with one site cut at `ratio`, the others whole."""

    site: str
    ratio: float
    kept: int
    total: int
    accuracy: float


def scan(
    network: nn.Module,
    method: PruningMethod,
    image_shape: Shapes,
    steps: int,
    ratios: Sequence[float],
    accuracy: Callable[[nn.Module], float],
    batches: Iterable[tuple[Images, Loss]] = (),
) -> Iterator[Point]:
    """Every site of a plain network alone at every ratio, in order of execution; the network stays as it is.

    `steps` is the length of the prune stage that the method would have. A site keeps one unit at least. Equal counts
    are measured once. `batches`: what a method is shown that scores by what batches show it.

    Raises:
        ValueError: a ratio outside [0, 1).
    """
    graph, attached = trace(network, image_shape), duplicate(network)
    method.begin_stage(attached, image_shape, steps)
    if method.observes and not method.needs_training:
        method.observe_batches(attached, batches)
    widths = method.widths()
    for site, width in widths.items():
        counts = {ratio: max(1, count_kept(width, check_ratio(ratio))) for ratio in sorted(ratios)}
        measured: dict[int, float] = {}
        for ratio, count in counts.items():
            if count not in measured:
                choice = method.choose(attached, widths | {site: count})
                measured[count] = accuracy(compact(network, choice, image_shape, graph))
                gc.collect()  # a traced network is a cycle of references: hundreds would pile up
            yield Point(site, ratio, count, width, measured[count])


def tolerated_ratios(points: Sequence[Point], dense: float, bound: float) -> dict[str, float]:
    """Per site the largest ratio up to which no scanned ratio loses more than `bound` of accuracy; 0 when all do."""
    table: dict[str, float] = dict.fromkeys((point.site for point in points), 0.0)
    stopped: set[str] = set()
    for point in sorted(points, key=lambda p: p.ratio):
        if dense - point.accuracy > bound:
            stopped.add(point.site)
        elif point.site not in stopped:
            table[point.site] = point.ratio
    return table
