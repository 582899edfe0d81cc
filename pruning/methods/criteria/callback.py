"""Filters by any criterion of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import nn

from pruning.budget.targets import Budget
from pruning.graph.inputs import Shapes
from pruning.methods.base import Images, Loss
from pruning.methods.criteria.layer import make_layers
from pruning.methods.criteria.moments import Moments
from pruning.methods.criteria.recorder import Recorder
from pruning.methods.criteria.registry import find_criterion
from pruning.methods.filters import FilterMethod, Scores


@final
class Scored(FilterMethod):
    """Keeps the filters that a criterion gives the largest scores; one shot. What is cut as one is added up.

    Args:
        criterion: a name of `registry.CRITERIA`.
    """

    moments = Moments()  # of the network attached last, as far as it was observed
    reduces = True
    recorder: Recorder | None = None  # while it is

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
        self.quantities = [self.criterion.quantity] if self.criterion.quantity else []
        self.observes, self.comparable = bool(self.quantities), self.criterion.comparable

    def __str__(self) -> str:
        return self.name

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        self.moments, self.recorder = Moments(), None
        super().attach(network, image_shape, steps)

    def observe(self, network: nn.Module, images: Images, loss: Loss) -> None:
        if self.recorder is None:
            self.recorder = Recorder(network, self.graph, self.layers, self.quantities)
        self.moments += self.recorder.record(images, loss)

    def end_observation(self) -> None:
        self.moments, self.recorder = self.moments.all_reduce(), None

    def take_moments(self, moments: Moments) -> None:
        """Gathered by `gather_moments` on the network attached, once for several criteria."""
        self.moments, self.observed = moments, True

    def scores(self, network: nn.Module) -> Scores:
        layers = make_layers(self.graph, network, self.groups.units.values(), self.moments)
        return self.sum_members(lambda name: self.criterion.score(layers[name]))
