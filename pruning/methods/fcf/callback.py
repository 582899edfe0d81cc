"""FCF-ADMM (Li et al., "Compressing CNNs via Factorized Convolutional Filters", CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import nn

from pruning.arguments import key
from pruning.budget.targets import Budget
from pruning.draws import random_scores
from pruning.methods.filters import Scores
from pruning.methods.gates import GatedMethod
from pruning.methods.gates.schedule import Schedule

STARTS = ("one", "l1", "random")


@final
class FCF(GatedMethod):
    """Learns which filters stay: binary gates by lp-box ADMM, trained together with the weights.

    Defaults are the paper's for CIFAR-10 (section 4.1); for ImageNet it has alpha 0.65, rho 0.001, mu 1.005.

    Args:
        budget, joined, only, cross, linear: as in FilterMethod; the paper's form is joined="expand", cross=True.
        gate: "filter", v scales the filter (the paper); "norm", v scales what the norm behind it gives.
        alpha, rho, mu, rho_max, lr: as in Schedule.
        start: "one", every gate starts at 1 (the paper). Controls, where the start decides and not the loss, and what
            the gates have scaled stays scaled when they go: "l1", ordered by the filters' L1 norms; "random", ordered
            by the lot that `Random` draws with this seed.
        seed: of that lot.
    """

    def __init__(
        self,
        budget: Budget,
        joined: str = "expand",
        cross: bool = True,
        gate: str = "filter",
        alpha: float = 0.99,
        rho: float = 0.01,
        mu: float = 1.01,
        rho_max: float = 6.0,
        lr: float = 0.1,
        start: str = "one",
        seed: int = 0,
        only: Sequence[str] | None = None,
        linear: bool = False,
    ) -> None:
        if start not in STARTS:
            raise ValueError(f"{key('start')} must be one (the paper), l1 or random, got {start!r}")
        super().__init__(budget, joined, gate, Schedule(alpha, rho, mu, rho_max, lr), only, cross, linear)
        self.start, self.seed, self.scaled = start, seed, start != "one"

    def start_values(self, network: nn.Module) -> Scores:
        norms = self.norms(network, "sum")
        if self.start == "one":
            return {name: torch.ones_like(norm) for name, norm in norms.items()}
        lots = {name: random_scores(self.seed, name, len(norm)) for name, norm in norms.items()}
        return self.start_in_order(norms if self.start == "l1" else lots)
