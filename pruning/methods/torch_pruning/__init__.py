"""Method card: card.md."""

from pruning.methods.torch_pruning.callback import TorchPruning

__all__ = ["TorchPruning"]
