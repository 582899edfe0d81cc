"""Criteria by name. A new one is a function in `scores` and a line here; what batches must show of it, in `moments`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from pruning.arguments import key
from pruning.methods.criteria import scores
from pruning.methods.criteria.layer import Layer

Needs = Literal["weights", "norm", "activations", "gradients"]


@dataclass(frozen=True)
class Criterion:
    """A score for every filter of a layer; the largest stay.

    Args:
        score: the function.
        needs: what it looks at beside weights: "norm", a batch norm behind every layer; "activations", images;
            "gradients", images with labels.
        comparable: whether scores of different layers are of one scale, so that they may be ranked together.
    """

    score: Callable[[Layer], Float[Tensor, " filters"]]
    needs: Needs = "weights"
    comparable: bool = False

    @property
    def observes(self) -> bool:
        return self.needs in ("activations", "gradients")


CRITERIA = {
    "l2": Criterion(scores.l2),
    "fpgm": Criterion(scores.fpgm),
    "whc": Criterion(scores.whc),
    "bn_scale": Criterion(scores.bn_scale, needs="norm", comparable=True),
    "group_l2": Criterion(scores.group_l2),
    "lamp": Criterion(scores.lamp, comparable=True),
}


def find_criterion(name: str) -> Criterion:
    """Raises ValueError for a name that no criterion has."""
    if name not in CRITERIA:
        near = difflib.get_close_matches(str(name), CRITERIA, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{key('criterion')} must be one of {', '.join(CRITERIA)}, got {name!r}{meant}")
    return CRITERIA[name]
