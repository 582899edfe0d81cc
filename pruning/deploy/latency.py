"""A budget of time: the network that answers in a share of the dense one's time, or within so many milliseconds."""

from __future__ import annotations

import copy
import hashlib
import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple, Protocol, final

import torch
from torch import nn

from pruning.arguments import key
from pruning.budget.allocations import Allocation, as_allocation
from pruning.budget.problem import BudgetProblem, Counts, check_bounds, check_multiple, check_ratio, round_down
from pruning.budget.removals import RemovalOrder, order_removals
from pruning.budget.targets import Budget
from pruning.deploy.runtimes import Shape, channel_multiple, refuse_missing_runtime
from pruning.deploy.stopwatch import Conditions, Paired, Stopwatch, Timer, time_in_fresh_process
from pruning.graph.attachments import duplicate
from pruning.graph.graph import Graph
from pruning.graph.inputs import Shapes
from pruning.surgery import compact
from pruning.timing import MOST_HALF_WIDTH, TOLERANCE, Ratio

CANDIDATES = 12  # networks that are timed, at most
CPU, AUTO = torch.device("cpu"), "auto"
AIM = 0.015  # of the target: as near the search ends at once; it is met within TOLERANCE
EDGE = 0.1  # a guess keeps so much of what is left open away from both ends
CURVE = (0.25, 0.5, 0.75)  # of the order: what a plan times beside the search


class Candidate(NamedTuple):
    """A network along the order: its place, the share of the dense network's MACs that it keeps, and its time."""

    stop: int
    macs: float
    paired: Paired


@dataclass(frozen=True)
class Met:
    """What a search came to: units to keep, the network's time, and all that was timed, from the slowest on."""

    counts: Counts
    paired: Paired
    candidates: tuple[Candidate, ...]


class SearchStore(Protocol):
    """Where a search is looked up, by its digest, before it is made."""

    def recall(self, digest: str, search: Callable[[], Met]) -> Met: ...


@final
class SearchesInMemory:
    """For as long as the budget lives: time hangs on counts alone, so that no search is made twice."""

    def __init__(self) -> None:
        self.known: dict[str, Met] = {}

    def recall(self, digest: str, search: Callable[[], Met]) -> Met:
        if digest not in self.known:
            self.known[digest] = search()
        return self.known[digest]


@final
class Latency(Budget):
    """By bisection over the allocation's order: each candidate is compacted and timed by turns with the dense network.

    Args:
        ratio: the share of the dense network's time to remove, in [0, 1).
        ms: milliseconds that a batch may take, in place of `ratio`.
        runtime: of `pruning.deploy.runtimes.RUNTIMES`: "onnxruntime", "eager", ...
        batch, threads: of what is timed.
        floor, ceiling: the least and the most that each layer keeps, in [0, 1].
        round_to: what a layer gives up at once; "auto" is what this processor computes at once.
        allocation: which layers give how much, by name or as an Allocation.
        timer: what times a small network beside the dense one, in place of this process's clock: on a telephone, say.
    """

    def __init__(
        self,
        ratio: float | int | None = None,
        ms: float | int | None = None,
        runtime: str = "onnxruntime",
        batch: int = 1,
        threads: int = 1,
        floor: float = 0.0,
        ceiling: float = 1.0,
        round_to: int | str = AUTO,
        allocation: Allocation | str = "uniform",
        timer: Timer | None = None,
    ) -> None:
        if (ratio is None) == (ms is None):
            raise ValueError(f"give {key('ratio')}, a share of time to remove, or {key('ms')}, milliseconds")
        if ms is not None and not ms > 0:
            raise ValueError(f"{key('ms')} must be above 0, got {ms}: milliseconds that a batch may take")
        if min(batch, threads) < 1:
            raise ValueError(f"{key('batch')} and {key('threads')} must be 1 or more, got {batch} and {threads}")
        if timer is None:
            refuse_missing_runtime(runtime)
        self.ratio, self.ms = None if ratio is None else check_ratio(ratio, key("ratio")), ms
        self.conditions = Conditions(runtime, batch, threads)
        self.timer: Timer = timer or Stopwatch(self.conditions)
        self.timer_anew: Timer = timer or partial(time_in_fresh_process, conditions=self.conditions)
        self.floor, self.ceiling = check_bounds(floor, ceiling)
        self.allocation = as_allocation(allocation)
        self.round_to = as_multiple(round_to)
        self.searches: SearchStore = SearchesInMemory()
        self.met: Met | None = None
        self.ladder: Ladder | None = None  # of the last search

    def counts(self, problem: BudgetProblem) -> Counts:
        """Raises ValueError: the target is out of reach, or the machine too busy to say that it is met."""
        if self.ratio == 0:
            return dict(problem.widths)
        order = self.order(problem)
        self.met = self.searches.recall(self.digest(order), lambda: self.search(Ladder(order, self.timer)))
        return self.met.counts

    def order(self, problem: BudgetProblem) -> RemovalOrder:
        if problem.graph is None or problem.choose is None:
            raise ValueError("a budget of time is for methods that remove filters: take a share of macs with this one")
        return order_removals(problem, self.allocation, self.floor, self.ceiling, self.round_to)

    def digest(self, order: RemovalOrder) -> str:
        """Of all that a search hangs on but the machine: the network, the order, the target."""
        assert order.problem.graph is not None
        trace = order.problem.graph.trace
        nodes = [(node.name, node.op, trace.shapes.get(node)) for node in trace.nodes]
        target = (self.ratio, self.ms, self.conditions, order.round_to, order.forced, order.sites)
        return hashlib.sha256(repr((str(trace.bare), nodes, target)).encode()).hexdigest()

    def search(self, ladder: Ladder) -> Met:
        """Time falls along the order, but for noise: each candidate halves, about, what is left open."""
        self.ladder, fast = ladder, self.measure(ladder, ladder.last)
        self.refuse_out_of_reach(fast)
        tried, slow = [fast], Candidate(0, 1.0, Paired(fast.paired.dense_ms, Ratio(1.0, 0.0)))
        while min(map(self.miss, tried)) > AIM and fast.stop - slow.stop > 1 and len(tried) < CANDIDATES:
            candidate = self.measure(ladder, self.guess(slow, fast))
            slow, fast = (candidate, fast) if self.over(candidate) > 1 else (slow, candidate)
            tried.append(candidate)
        best = min(tried, key=self.miss)
        self.refuse_missed(best, len(tried))
        return Met(ladder.counts(best.stop), best.paired, tuple(sorted(tried)))

    def measure(self, ladder: Ladder, stop: int) -> Candidate:
        candidate = ladder.measure(stop)
        share, dense_ms = candidate.paired.share, candidate.paired.dense_ms
        refuse_uncertain(share, 1 - self.asked(dense_ms))
        return candidate

    def guess(self, slow: Candidate, fast: Candidate) -> int:
        """Widths enter time twice, so that its root falls nearly straight."""
        (left, right), width = (math.sqrt(self.over(each)) for each in (slow, fast)), fast.stop - slow.stop
        share = (left - 1) / (left - right) if left > right else 0.5
        return slow.stop + min(max(round(min(max(share, EDGE), 1 - EDGE) * width), 1), width - 1)

    def draw_curve(self) -> Met | None:
        """What this budget's search came to, with more networks timed all along its order; None where none was made."""
        if self.met is None or self.ladder is None:
            return None
        further = [self.ladder.measure(round(share * self.ladder.last)) for share in CURVE]
        return replace(self.met, candidates=tuple(sorted({*self.met.candidates, *further})))

    def time_anew(self, dense: nn.Module, small: nn.Module, image_shape: Shapes) -> Paired:
        """Of the network that came out, as it is, in a fresh process."""
        channels, height, width = (int(size) for size in image_shape)
        return self.timer_anew(to_float32(dense), to_float32(small), (channels, height, width))

    def describe_result(self, dense: nn.Module, small: nn.Module, image_shape: Shapes) -> tuple[str, ...]:
        """A network is not lost because it could not be timed."""
        title = f"{'time':<12}"
        try:
            paired = self.time_anew(dense, small, image_shape)
        except ValueError as error:
            return (f"{title}not known: {error}",)
        share = f"{100 * paired.share.value:.1f} % of {paired.dense_ms:.3g} ms +- {100 * known_to(paired.share):.1f} %"
        return (f"{title}{share} ({self} asked; {self.conditions}; timed anew in a fresh process)",)

    # -- the target ----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        """As the user asked for it."""
        return f"{key('ms')}={self.ms:g}" if self.ms is not None else f"{key('ratio')}={self.ratio:g}"

    def asked(self, dense_ms: float) -> float:
        """The share of the dense network's time that may be taken."""
        if self.ms is not None:
            return self.ms / dense_ms
        assert self.ratio is not None
        return 1 - self.ratio

    def over(self, candidate: Candidate) -> float:
        """Its time over the target: 1 meets it."""
        return candidate.paired.share.value / self.asked(candidate.paired.dense_ms)

    def miss(self, candidate: Candidate) -> float:
        return abs(self.over(candidate) - 1)

    def refuse_out_of_reach(self, least: Candidate) -> None:
        """`least`: the fastest network of the order."""
        paired, asked = least.paired, self.asked(least.paired.dense_ms)
        reach = f"{paired.ms:.3g} to {paired.dense_ms:.3g} ms here"
        if asked >= 1:
            raise ValueError(
                f"{self} is met by the dense network, which takes {paired.dense_ms:.3g} ms: nothing has to go; ask for "
                f"less ({reach})"
            )
        if self.over(least) > 1 + TOLERANCE:
            most = round_down(1 - paired.share.value, 3)
            raise ValueError(
                f"{self} is below what this network can reach: {reach}, {key('ratio')} in [0, {most:g}]; ask for more "
                f"time, or prune more layers ({key('joined')}=expand)"
            )

    def refuse_missed(self, best: Candidate, count: int) -> None:
        if self.miss(best) > TOLERANCE:
            finer = f", or take {key('round_to')}=1 for finer steps" if self.round_to > 1 else ""
            raise ValueError(
                f"{self} cannot be met within {100 * TOLERANCE:g} %: the nearest of {count} networks takes "
                f"{best.paired.ms:.3g} ms, {100 * best.paired.share.value:.1f} % of the dense network's time; ask for "
                f"that{finer}"
            )


def as_multiple(round_to: int | str) -> int:
    if round_to == AUTO:
        return channel_multiple(CPU)
    if not isinstance(round_to, int):
        raise ValueError(f"{key('round_to')} must be a whole number or auto, got {round_to!r:.60}")
    return check_multiple(round_to)


def to_float32(network: nn.Module) -> nn.Module:
    """A copy, in eval on the CPU."""
    return duplicate(network).cpu().float().eval()


def known_to(share: Ratio) -> float:
    """The half width of its interval, as a share of it."""
    return share.half_width / share.value


def refuse_uncertain(share: Ratio, difference: float) -> None:
    """Raise ValueError where noise could be taken for the difference that is asked for."""
    known, most = known_to(share), min(MOST_HALF_WIDTH, difference)
    if known > most > 0:
        raise ValueError(
            f"this machine is too busy to time: the share of the dense network's time is known to {100 * known:.1f} % "
            f"only, {100 * most:.2g} % is the most; run again when other jobs are done, or take a larger {key('batch')}"
        )


class Ladder:
    """The networks that an order passes: `stops`, counted from the first that has given up what it must."""

    def __init__(self, order: RemovalOrder, timer: Timer) -> None:
        graph = order.problem.graph
        assert graph is not None
        self.order, self.timer, self.graph = order, timer, graph
        self.shape, self.network = image_shape(graph), with_random_weights(graph.trace.bare).float()
        self.stops = list_stops(order)

    @cached_property
    def last(self) -> int:
        """The place of the smallest network that is not cut to pieces."""
        return bisect_left(range(1, len(self.stops)), True, key=self.is_cut_to_pieces)

    def is_cut_to_pieces(self, stop: int) -> bool:
        try:
            self.order.removed(self.stops[stop], "macs")
        except ValueError:
            return True
        return False

    def counts(self, stop: int) -> Counts:
        return self.order.counts_after(self.stops[stop])

    def measure(self, stop: int) -> Candidate:
        assert self.order.problem.choose is not None
        choice = self.order.problem.choose(self.counts(stop))
        small = compact(self.network, choice, self.shape, self.graph)
        macs = 1 - self.order.removed(self.stops[stop], "macs")
        return Candidate(stop, macs, self.timer(self.network, small, self.shape))


def list_stops(order: RemovalOrder) -> list[int]:
    """Numbers of units removed at which another network begins."""
    left, by, stops = dict(order.problem.widths), order.round_to, []
    for steps, site in enumerate(order.sites, 1):
        left[site] -= 1
        if steps >= order.forced and left[site] % by == 0:
            stops.append(steps)
    return [order.forced, *(steps for steps in stops if steps > order.forced)]


def image_shape(graph: Graph) -> Shape:
    """Raises ValueError unless the network takes one tensor (batch, channels, height, width)."""
    inputs = [graph.shape(node)[1:] for node in graph.trace.nodes if node.op == "placeholder"]
    if len(inputs) != 1 or len(inputs[0]) != 3:
        raise ValueError(f"a budget of time is for networks of one input, images; this one takes {inputs}")
    channels, height, width = inputs[0]
    return channels, height, width


@torch.no_grad()
def with_random_weights(bare: nn.Module) -> nn.Module:
    """A skeleton with numbers of which none is denormal or infinite, which would take other times."""
    network = copy.deepcopy(bare).to_empty(device="cpu")
    for value in (*network.parameters(), *network.buffers()):
        if not value.is_floating_point():
            value.zero_()  # a table of indices, or a count
        elif value.dim() > 1:
            value.normal_(0, math.sqrt(2 / value[0].numel()))
        else:
            value.uniform_(0.5, 1)
    return network.eval()
