"""Method card: card.md."""

from pruning.methods.random.callback import Random

__all__ = ["Random"]
