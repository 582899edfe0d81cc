"""The values of the ADMM that closes gates, and what is refused of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from pruning.arguments import key

UNSTABLE_STEP = 4 / 3  # the gate step with its duals diverges from lr * alpha * 2 rho_max = 4/3 on


@dataclass(frozen=True)
class Schedule:
    """How gates are pulled to 0 or 1 (FCF, section 4.1).

    Args:
        alpha: weight of the constraints in the gates' gradient, in [0, 1).
        rho, mu, rho_max: penalty at the start, its growth at each step, its end. A stage whose first half is too
            short for this growth gets a steeper one.
        lr: learning rate of the gates, constant.
    """

    alpha: float
    rho: float
    mu: float
    rho_max: float
    lr: float

    def __post_init__(self) -> None:
        rho, mu, rho_max = self.rho, self.mu, self.rho_max
        if not 0 <= self.alpha < 1:
            raise ValueError(f"{key('alpha')} must lie in [0, 1), got {self.alpha}")
        if not (0 < rho <= rho_max and mu >= 1):
            raise ValueError(
                f"0 < {key('rho')} <= {key('rho_max')} and {key('mu')} >= 1 are needed, got {rho}, {rho_max} and {mu}"
            )
        self.warn_of_unstable_step()

    def warn_of_unstable_step(self) -> None:
        step = self.lr * self.alpha * 2 * self.rho_max
        if step >= 1.25:
            warnings.warn(
                f"the gates' step is lr * alpha * 2 rho_max = {step:.3f}; from {UNSTABLE_STEP:.3f} on it diverges "
                f"(the paper's values give 1.19): lower {key('lr')} or {key('rho_max')}",
                stacklevel=5,
            )

    def growth(self, steps: int) -> float:
        """mu, or what brings the penalty to its end within half of the steps if that is more."""
        return max(self.mu, (self.rho_max / self.rho) ** (2 / steps))
