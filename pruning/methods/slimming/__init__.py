"""Method card: card.md."""

from pruning.methods.slimming.callback import Slimming

__all__ = ["Slimming"]
