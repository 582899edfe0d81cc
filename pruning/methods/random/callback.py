"""Random filters: the control that every ranking has to beat."""

from collections.abc import Sequence
from typing import final

from torch import nn

from pruning.budget.targets import Budget
from pruning.draws import random_scores
from pruning.methods.filters import FilterMethod, Scores


@final
class Random(FilterMethod):
    """Keeps filters by lot, a pure function of (seed, name of the unit); a larger budget keeps a superset."""

    comparable = True

    def __init__(
        self,
        budget: Budget,
        seed: int = 0,
        joined: str = "keep",
        only: Sequence[str] | None = None,
        grouped: str | None = None,
        linear: bool = False,
    ) -> None:
        super().__init__(budget, joined, only, grouped=grouped, linear=linear)
        self.seed = seed

    def scores(self, network: nn.Module) -> Scores:
        return {name: random_scores(self.seed, name, unit.blocks.numel()) for name, unit in self.groups.units.items()}
