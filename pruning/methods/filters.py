"""Methods that remove whole filters: where, how many, and which by a score. What they score is left to them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.problem import BudgetProblem, Counts
from pruning.budget.targets import Budget
from pruning.graph.cost import Cost, predict
from pruning.graph.graph import Graph, trace
from pruning.graph.groups import PruningGroups, pruning_groups
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import analyse
from pruning.graph.sites import exclusion_by_pattern, norm_after
from pruning.methods.base import PruningMethod
from pruning.selection import Selection, filters_first

Scores = dict[str, Float[Tensor, " _"]]  # of filters or of the classes of a unit: lengths differ from layer to layer
NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda filters: filters.abs().sum(1),
    "mean": lambda filters: filters.abs().mean(1),
    "squares": lambda filters: filters.square().sum(1),
}


class FilterMethod(PruningMethod):
    """Keeps the filters with the largest scores at each site, in the number that the budget sets.

    Args:
        budget: how many filters stay where.
        joined: what to do with convolutions whose outputs are added to others: "keep" what is added; "expand", each is
            cut on its own and its output spread into the full stream; "couple", all that is added to a channel goes
            with it, so that the stream gets narrower.
        only: shell-style patterns of the sites to prune, after "!" of those to leave whole; None takes all that
            `joined` allows.
        cross: also drop, from the first reader of a join, the input channels of the filters that the last
            convolution before that join lost (FCF's authors do; needs joined="expand").
        grouped: what to do with grouped convolutions that are not depthwise: "keep" them whole; "inside", cut the same
            number from every group, of what they make and of what they read; "whole", cut whole groups. None is
            "inside" with joined="couple", else "keep".
        linear: cut linear layers too, but for the one that makes the classes: as 1x1 convolutions.
    """

    budget: Budget
    graph: Graph  # type: ignore[assignment] # known once attached
    groups: PruningGroups
    counts: Counts
    cost_of: Callable[[Selection], Cost] | None = None  # where the network is a part of one that the budget is of

    def __init__(
        self,
        budget: Budget,
        joined: str = "keep",
        only: Sequence[str] | None = None,
        cross: bool = False,
        grouped: str | None = None,
        linear: bool = False,
    ) -> None:
        if cross and joined != "expand":
            raise ValueError(f"{key('cross')}=true needs {key('joined')}=expand, got {key('joined')}={joined}")
        self.budget, self.joined, self.only, self.cross, self.grouped = budget, joined, only, cross, grouped
        self.linear = linear
        self.refuse_allocation(budget)

    @abstractmethod
    def scores(self, network: nn.Module) -> Scores:
        """A figure for every class of every unit, by the unit's name (of a single convolution, for every filter); the
        largest stay.
        """

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        """Decides at once, on the network as it is; a method that learns has an `attach` of its own."""
        self.survey(network, image_shape)
        self.settle_counts(network, self.known_scores(network))

    def survey(self, network: nn.Module, image_shape: Shapes) -> None:
        """Trace a plain network and find the sites."""
        self.graph = trace(network, image_shape)
        self.groups = pruning_groups(self.graph, self.joined, self.only, self.grouped, self.linear)

    def settle_counts(self, network: nn.Module, scores: Scores) -> None:
        """How many classes each unit keeps; `scores` stand in for a choice that is yet to be learned."""
        self.counts = self.count_filters(network, scores)

    def count_filters(self, network: nn.Module, scores: Scores) -> Counts:
        """What the budget leaves each site where these scores choose."""
        return self.budget.counts(self.budget_problem(network, scores))

    def budget_problem(self, network: nn.Module, scores: Scores) -> BudgetProblem:
        """What a surveyed network with these scores lays before a budget, or before `pruning.budget.order_removals`."""
        self.refuse_misfit(scores)
        units = self.groups.units
        return BudgetProblem(
            self.widths(),
            cost=lambda counts: self.cost(scores, counts),
            scores=self.rank_units(scores),
            comparable=self.comparable,
            weight_norms=lambda norm: self.rank_units(self.norms(network, norm)),
            shapes={name: [self.filter_shape(member) for member in unit.members] for name, unit in units.items()},
            parts={name for name, unit in units.items() if unit.is_part},
            graph=self.graph,
            choose=lambda counts: self.select_by_scores(scores, counts),
        )

    def rank_units(self, figures: Scores) -> Scores:
        """Figures for what a budget counts: in a grouped convolution one for the same place in every group."""
        return {name: unit.rank(figures[name]) for name, unit in self.groups.units.items()}

    def filter_shape(self, layer: str) -> tuple[int, ...]:
        """Of a convolution's weight, filters first."""
        plain = self.graph.trace.plain(self.graph.trace.module, layer)
        return tuple(filters_first(plain.weight, plain).shape)

    def known_scores(self, network: nn.Module) -> Scores:
        """The scores; until batches are observed that they need, mean |W| in their place."""
        return self.magnitudes(network) if self.observes and not self.observed else self.scores(network)

    def cost(self, scores: Scores, counts: Mapping[str, int]) -> Cost:
        choice = self.select_by_scores(scores, counts)
        return self.cost_of(choice) if self.cost_of else predict(analyse(self.graph, choice))

    def select_by_scores(self, scores: Scores, counts: Mapping[str, int]) -> Selection:
        """The selection that keeps `counts` classes with the largest scores."""
        self.refuse_misfit(scores)
        rows: dict[str, Bool[Tensor, " filters"]] = {}
        for name, unit in self.groups.units.items():
            kept = unit.largest(scores[name], counts[name])
            for member in unit.members:
                rows[member] = unit.filters_kept(member, kept) & rows.get(member, torch.tensor(True))
        choice = Selection.of_rows(self.graph.trace.module, rows)
        if not self.cross:
            return choice
        return choice.without_columns({reader: ~rows[last] for reader, last in self.groups.readers.items()})

    def refuse_misfit(self, scores: Scores) -> None:
        """Raises ValueError for scores that do not give each filter one number."""
        for name, unit in self.groups.units.items():
            if name not in scores or scores[name].shape != (unit.blocks.numel(),):
                given = f"a shape of {tuple(scores[name].shape)}" if name in scores else "none"
                raise ValueError(
                    f"{self}.scores gives {given} for {name}: a number for each of its "
                    f"{unit.blocks.numel()} filters is needed"
                )

    def select(self, network: nn.Module) -> Selection:
        """By the scores of now; where they have changed since attach, the budget is asked again."""
        self.refuse_unobserved()
        scores = self.scores(network)
        changed = self.observes or self.needs_training
        return self.select_by_scores(scores, self.count_filters(network, scores) if changed else self.counts)

    def preview(self, network: nn.Module) -> Selection:
        return self.choose(network, self.counts)

    def choose(self, network: nn.Module, counts: Mapping[str, int]) -> Selection:
        return self.select_by_scores(self.known_scores(network), counts)

    # -- what scores are made of ---------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[str]:
        """The convolutions that may be cut."""
        return list(dict.fromkeys(member for unit in self.groups.units.values() for member in unit.members))

    def sum_members(self, figure: Callable[[str], Float[Tensor, " filters"]]) -> Scores:
        """Scores from a figure for each filter of a convolution, given its name; what is cut as one is added up."""
        figures = {layer: figure(layer).detach().float() for layer in self.layers}
        return {name: unit.sum_members(figures) for name, unit in self.groups.units.items()}

    def norm_after(self, layer: str) -> str:
        """The batch norm that alone reads a convolution; both by name.

        Raises:
            ValueError: there is none, or it has no scale.
        """
        name = norm_after(self.graph, layer)
        if name is None:
            raise ValueError(
                f"{self} needs a batch norm with a scale behind every convolution that it cuts, and "
                f"{layer!r} has none: leave it out, or take a method that scores weights, such as l1"
            )
        return name

    def widths(self) -> dict[str, int]:
        return {name: unit.width for name, unit in self.groups.units.items()}

    def exclusion_reasons(self) -> dict[str, str | None]:
        cut = set(self.layers)
        return {n: None if n in cut else why or exclusion_by_pattern() for n, why in self.groups.reasons.items()}

    def magnitudes(self, network: nn.Module) -> Scores:
        """Mean |W| of every class, comparable over layers."""
        return self.norms(network, "mean")

    def norms(self, network: nn.Module, norm: str) -> Scores:
        """Norms of the filters ("sum" or "mean" of |W|, or "squares", the sum of W^2), added up over the members of a
        unit or taken from its leader."""
        layers = {name: self.graph.trace.plain(network, name) for name in self.layers}
        weights = {name: filters_first(layer.weight, layer).detach() for name, layer in layers.items()}
        norms = {name: NORMS[norm](weight.flatten(1)) for name, weight in weights.items()}
        return {name: unit.sum_members(norms, unit.leader) for name, unit in self.groups.units.items()}
