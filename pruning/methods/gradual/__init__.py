"""Method card: card.md."""

from pruning.methods.gradual.callback import Gradual

__all__ = ["Gradual"]
