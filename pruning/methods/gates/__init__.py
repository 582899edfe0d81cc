"""Gates that end at 0 or 1: what `fcf` and `gradual` share."""

from pruning.methods.gates.method import GatedMethod

__all__ = ["GatedMethod"]
