"""L1-norm filter ranking (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017)."""

from collections.abc import Sequence
from typing import final

from torch import nn

from pruning.budget.targets import Budget
from pruning.methods.filters import FilterMethod, Scores


@final
class L1(FilterMethod):
    """Keeps the filters with the largest sum of absolute weights; one shot (section 3.1).

    A coupled stream follows the ranking of its projection shortcut (section 3.3).
    """

    def __init__(
        self,
        budget: Budget,
        joined: str = "keep",
        only: Sequence[str] | None = None,
        grouped: str | None = None,
        linear: bool = False,
    ) -> None:
        super().__init__(budget, joined, only, grouped=grouped, linear=linear)

    def scores(self, network: nn.Module) -> Scores:
        return self.norms(network, "sum")
