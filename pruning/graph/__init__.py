"""A network as torch.fx records it, read as operations on channels: what is alive, what may be cut, what it costs."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """`pruning.graph.trace`, for a user. Here each file imports from the file it needs: a stage's digest follows it."""
    if name not in ("Graph", "trace"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("pruning.graph.graph"), name)
