"""Method card: card.md."""

from pruning.methods.l1.callback import L1

__all__ = ["L1"]
