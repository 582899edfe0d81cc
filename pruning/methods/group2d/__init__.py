"""Method card: card.md."""

from pruning.methods.group2d.callback import Group2D

__all__ = ["Group2D"]
