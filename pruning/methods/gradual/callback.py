"""Gradual L1: the filters that L1 removes fade out while the network trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import nn

from pruning.budget.targets import Budget
from pruning.methods.filters import Scores
from pruning.methods.gates import GatedMethod
from pruning.methods.gates.schedule import Schedule


@final
class Gradual(GatedMethod):
    """Gates behind the norm that start in the order of the filters' L1 norms and close on FCF's schedule.

    It keeps L1's filters (of the network that the stage begins with), and the weights keep what the gates scaled.

    Args:
        budget, joined, only, linear: as in FilterMethod, but for joined="couple".
        alpha, rho, mu, rho_max, lr: as in Schedule.
    """

    scaled = True

    def __init__(
        self,
        budget: Budget,
        joined: str = "keep",
        alpha: float = 0.99,
        rho: float = 0.01,
        mu: float = 1.01,
        rho_max: float = 6.0,
        lr: float = 0.1,
        only: Sequence[str] | None = None,
        linear: bool = False,
    ) -> None:
        super().__init__(budget, joined, "norm", Schedule(alpha, rho, mu, rho_max, lr), only, linear=linear)

    def start_values(self, network: nn.Module) -> Scores:
        return self.start_in_order(self.norms(network, "sum"))
