"""L1-norm filter ranking (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017)."""

from collections.abc import Mapping, Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.targets import Budget
from pruning.methods.filters import FilterMethod, Scores
from pruning.methods.l1.greedy import greedy_scores
from pruning.selection import Selection, filters_first

VARIANTS = ("independent", "greedy")


@final
class L1(FilterMethod):
    """Keeps the filters with the largest sum of absolute weights; one shot (section 3.1).

    A coupled stream follows the ranking of its projection shortcut (section 3.3).

    Args:
        variant: "independent", norms of all kernels; or "greedy", without those of input maps that layers before have
            lost (section 3.2). The same thing where no layer that is cut reads another one.
    """

    def __init__(
        self,
        budget: Budget,
        joined: str = "keep",
        only: Sequence[str] | None = None,
        grouped: str | None = None,
        linear: bool = False,
        variant: str = "independent",
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(f"{key('variant')} must be one of {', '.join(VARIANTS)}, got {variant!r}")
        self.variant = variant
        super().__init__(budget, joined, only, grouped=grouped, linear=linear)

    def scores(self, network: nn.Module) -> Scores:
        if self.variant == "greedy":
            self.kernel_norms = {name: self.norms_of_kernels(network, name) for name in self.layers}
        return self.norms(network, "sum")

    def norms_of_kernels(self, network: nn.Module, name: str) -> Float[Tensor, "out in"]:
        layer = self.graph.trace.plain(network, name)
        weight = filters_first(layer.weight, layer).detach().float().cpu()
        return weight.abs().reshape(*weight.shape[:2], -1).sum(2)

    def select_by_scores(self, scores: Scores, counts: Mapping[str, int]) -> Selection:
        if self.variant == "greedy":
            scores = greedy_scores(self.graph, self.groups.units, self.kernel_norms, scores, counts)
        return super().select_by_scores(scores, counts)
