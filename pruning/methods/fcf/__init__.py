"""Method card: card.md."""

from pruning.methods.fcf.callback import FCF

__all__ = ["FCF"]
