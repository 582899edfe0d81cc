"""Criteria by name. A new one is a function in `scores` and a line here; what else batches show, in `quantities`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from pruning.arguments import did_you_mean, key
from pruning.methods.criteria import scores
from pruning.methods.criteria.layer import Layer
from pruning.methods.criteria.quantities import QUANTITIES


@dataclass(frozen=True)
class Criterion:
    """A score for every filter of a layer; the largest stay.

    Args:
        score: the function.
        quantity: which of `quantities.QUANTITIES` batches must show; None: it looks at weights alone.
        norm: whether it needs a batch norm behind every layer.
        comparable: whether scores of different layers are of one scale, so that they may be ranked together.
    """

    score: Callable[[Layer], Float[Tensor, " filters"]]
    quantity: str | None = None
    norm: bool = False
    comparable: bool = False

    @property
    def needs(self) -> Literal["weights", "norm", "activations", "gradients"]:
        if self.quantity is None:
            return "norm" if self.norm else "weights"
        return "gradients" if QUANTITIES[self.quantity].gradients else "activations"


CRITERIA = {
    "l2": Criterion(scores.l2),
    "fpgm": Criterion(scores.fpgm),
    "whc": Criterion(scores.whc),
    "bn_scale": Criterion(scores.bn_scale, norm=True, comparable=True),
    "group_l2": Criterion(scores.group_l2),
    "lamp": Criterion(scores.lamp, comparable=True),
    "taylor": Criterion(scores.taylor, "taylor", comparable=True),
    "fisher": Criterion(scores.fisher, "fisher", comparable=True),
    "activation": Criterion(scores.activation, "activation"),
    "activation_next": Criterion(scores.activation_next, "activation"),
    "lookahead": Criterion(scores.lookahead),
}


def find_criterion(name: str) -> Criterion:
    """Raises ValueError for a name that no criterion has."""
    if name not in CRITERIA:
        meant = did_you_mean(name, CRITERIA)
        raise ValueError(f"{key('criterion')} must be one of {', '.join(CRITERIA)}, got {name!r}{meant}")
    return CRITERIA[name]
