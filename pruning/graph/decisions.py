"""What Python decides while a network is traced: by which sizes, and where.

A number that is only passed on stays a node of the graph. One that Python must know is baked: the graph is right for
all images for which the answer is the same. Whether an answer hangs on the number or on the size of the images is asked
of the graph recorded so far, run once more on others: nothing is guessed; a network that decides nothing pays nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, fx

from pruning.graph.meta import Values

TYPE_ATTRIBUTES = frozenset({"dtype", "device", "is_cuda"})


@dataclass(frozen=True)
class Decision:
    """An answer that Python was given while forward was traced; `text` is the line of source that asked."""

    value: bool | int | float | str
    file: str
    line: int
    text: str

    @property
    def question(self) -> str:
        return f"{Path(self.file).name}:{self.line}: {self.text}"


def list_decisions(decisions: Iterable[Decision]) -> list[str]:
    """One line for each line of source, with its answers."""
    answers: dict[str, dict[str, None]] = {}
    for decision in decisions:
        answers.setdefault(decision.question, {})[str(decision.value)] = None
    return [f"{question} -> {', '.join(values)}" for question, values in answers.items()]


class Rerun:
    """The values that the nodes of a graph would have for other images; computed where they are asked for."""

    def __init__(self, first: Values, images: Values, compute: Callable[[fx.Node, Values], Any]) -> None:
        self.first, self.compute = first, compute
        self.values: dict[fx.Node, Any] = dict(images)

    def differs(self, node: fx.Node) -> bool:
        """Does a number hang on what is other here? Also when this number happens to be the same."""
        try:
            return self._differs(node)
        except Exception:  # the other images may not fit the network at all
            return True

    def _differs(self, node: fx.Node) -> bool:
        if holds_tensors(self.first[node]):
            return False
        if self.value(node) != self.first[node]:
            return True
        exact = node.target in (operator.getitem, len)  # what is the same there is another axis's size
        return not exact and any(self._differs(source) for source in node.all_input_nodes)

    def value(self, node: fx.Node) -> Any:
        pending = [node]
        while pending:
            missing = [n for n in pending[-1].all_input_nodes if n not in self.values]
            pending += missing
            if not missing:
                ready = pending.pop()
                if ready not in self.values:
                    self.values[ready] = self.compute(ready, self.values)
        return self.values[node]


def reads_type(node: fx.Node, values: Values) -> bool:
    """Is a number made of a tensor's type of number or of its device?"""
    if node.target is getattr and node.args[1] in TYPE_ATTRIBUTES:
        return True
    return any(reads_type(n, values) for n in node.all_input_nodes if not holds_tensors(values[n]))


def holds_tensors(value: object) -> bool:
    parts = value if isinstance(value, (tuple, list)) else (value,)
    return any(isinstance(part, Tensor) for part in parts)
