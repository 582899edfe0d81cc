"""What a method of one's own is made from."""

from pruning.methods.base import PruningMethod
from pruning.methods.filters import FilterMethod, Scores

__all__ = ["FilterMethod", "PruningMethod", "Scores"]
