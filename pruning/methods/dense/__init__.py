"""Method card: card.md."""

from pruning.methods.dense.callback import Dense

__all__ = ["Dense"]
