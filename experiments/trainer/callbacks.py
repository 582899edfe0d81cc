"""Callbacks of the user's own (trainer.callbacks), which each stage's Trainer has after ours."""

from collections.abc import Iterable

from lightning import Callback

from experiments.config.hydra_versions import instantiate
from experiments.config.node import Node, plain


def make_callbacks(nodes: Iterable[Node]) -> list[Callback]:
    """Anew for each stage. Raises ValueError for what is no callback."""
    made: list[Callback] = []
    for number, node in enumerate(nodes):
        callback = instantiate(plain(node), _convert_="all")
        if not isinstance(callback, Callback):
            raise ValueError(
                f"trainer.callbacks.{number}._target_={node.target} makes a {type(callback).__name__}: a "
                "lightning.Callback is needed"
            )
        made.append(callback)
    return made
