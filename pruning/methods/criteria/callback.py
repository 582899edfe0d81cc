"""Filters by any criterion of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import nn

from pruning.budget.targets import Budget
from pruning.methods.criteria.layer import make_layers
from pruning.methods.criteria.moments import Moments
from pruning.methods.criteria.registry import find_criterion
from pruning.methods.filters import FilterMethod, Scores


@final
class Scored(FilterMethod):
    """Keeps the filters that a criterion gives the largest scores; one shot. What is cut as one is added up.

    Args:
        criterion: a name of `registry.CRITERIA`.
    """

    moments = Moments()

    def __init__(
        self,
        budget: Budget,
        criterion: str,
        joined: str = "keep",
        only: Sequence[str] | None = None,
        grouped: str | None = None,
        linear: bool = False,
    ) -> None:
        super().__init__(budget, joined, only, grouped=grouped, linear=linear)
        self.criterion, self.name = find_criterion(criterion), criterion
        self.observes, self.comparable = self.criterion.observes, self.criterion.comparable

    def __str__(self) -> str:
        return self.name

    def scores(self, network: nn.Module) -> Scores:
        layers = make_layers(self.graph, network, self.groups.units.values(), self.moments)
        return self.sum_members(lambda name: self.criterion.score(layers[name]))
