"""Score functions: one card for all of them, card.md."""

from pruning.methods.criteria.callback import Scored
from pruning.methods.criteria.moments import Moments
from pruning.methods.criteria.recorder import gather_moments
from pruning.methods.criteria.registry import CRITERIA, Criterion

__all__ = ["CRITERIA", "Criterion", "Moments", "Scored", "gather_moments"]
