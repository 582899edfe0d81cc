"""Where the convolutions of a network stand: at its stem, free, joined to others by additions, or past a block."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from pruning.arguments import key
from pruning.graph.graph import Graph
from pruning.graph.ops import Add, Broadcast, Cat, Channelwise, Conv, Index, Mul, Norm, Op
from pruning.graph.streams import joined_convolutions

EXCEPT = "!"  # before a pattern of sites that stay whole


@dataclass(frozen=True)
class Site:
    """One convolution that a selection may cut.

    `joined`: its filters meet those of others in an addition. `shortcut`: it carries the stream past a block.
    `gating`: its output, squashed, multiplies a tensor (squeeze-excitation). `stem`: no convolution stands before it.
    `drops_with`: the last convolution of the block before, when this one is the first reader of its join.
    """

    name: str
    filters: int
    columns: int
    kernel: int
    grouped: bool
    stem: bool
    joined: bool
    shortcut: bool
    gating: bool
    final: bool
    drops_with: str | None

    @property
    def pinned(self) -> bool:
        """Not to be cut whatever it is joined with."""
        return self.gating or self.final


def sites(graph: Graph) -> dict[str, Site]:
    """All sites of a network by name, in order of execution."""
    joined = joined_convolutions(graph)
    before = _convolutions_before(graph)
    shortcuts = _shortcut_convolutions(graph, before)
    gating, final = _gating_convolutions(graph), _classifier_convolutions(graph)
    by_name = {}
    for name, conv in graph.convolutions().items():
        drop = _join_before(graph, conv.inputs[0], shortcuts, before)
        rows, columns, *size = conv.layer.weight.shape
        by_name[name] = Site(
            name, rows, columns, torch.Size(size).numel(), conv.layer.groups > 1,
            stem=not before[conv.inputs[0]], joined=name in joined, shortcut=name in shortcuts,
            gating=name in gating, final=name in final, drops_with=None if name in shortcuts else drop,
        )  # fmt: skip
    return by_name


def match_patterns(names: list[str], patterns: Sequence[str], argument: str) -> list[str]:
    """The names that some shell-style pattern fits.

    Raises:
        ValueError: a pattern, given as `argument`, fits nothing.
    """
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise ValueError(
                f"{key(argument)}: {pattern!r} fits no convolution that may be cut here; {near_names(pattern, names)}"
            )
    return [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def choose_units(graph: Graph, units: Mapping[str, Sequence[str]], only: Sequence[str] | None) -> list[str]:
    """The units whose name fits a pattern of `only`, or all where it names none, but for those of which a member fits a
    pattern after "!".

    Raises:
        ValueError: a pattern fits nothing (one after "!" may name any layer of the network), or no unit is left.
    """
    included = [pattern for pattern in only or () if not pattern.startswith(EXCEPT)]
    excluded = [pattern.removeprefix(EXCEPT) for pattern in only or () if pattern.startswith(EXCEPT)]
    chosen = match_patterns(list(units), included, "include") if included else list(units)
    _refuse_unknown(graph, excluded)
    left = [name for name in chosen if not any(fnmatch.filter(units[name], pattern) for pattern in excluded)]
    if chosen and not left:
        raise ValueError(f"{key('exclude')}: {', '.join(excluded)} leaves no convolution to cut")
    return left


def _refuse_unknown(graph: Graph, patterns: Sequence[str]) -> None:
    """Raise ValueError for a pattern that fits no layer, and no parameter, of the network."""
    names = [name for name, _ in graph.trace.bare.named_modules() if name]
    parameters = [name for name, _ in graph.trace.bare.named_parameters()]
    for pattern in patterns:
        if not fnmatch.filter([*names, *parameters], pattern):
            raise ValueError(
                f"{key('exclude')}: {pattern!r} fits no layer of the network; {near_names(pattern, names)}"
            )


def near_names(pattern: str, names: Sequence[str]) -> str:
    """In words, the names that a pattern may have meant."""
    stem = pattern.rstrip("*.")
    near = sorted(names, key=lambda name: -difflib.SequenceMatcher(None, stem, name[: len(stem) + 1]).ratio())
    return f"near: {', '.join(near[:4])}" + (f" ({len(names)} in all)" if len(names) > 4 else "")


def exclusion_by_pattern() -> str:
    """The verdict on a site that would fit."""
    return f"aside: left out by {' or '.join(dict.fromkeys((key('include'), key('exclude'))))}"


def norm_after(graph: Graph, convolution: str) -> str | None:
    """The norm with a scale and a shift that alone reads a convolution, by name."""
    readers = list(graph.convolutions()[convolution].node.users)
    op = graph.ops.get(readers[0]) if len(readers) == 1 else None
    layer = graph.trace.layer(op.node) if isinstance(op, Norm) else None
    return str(readers[0].target) if layer is not None and layer.affine else None


def _convolutions_before(graph: Graph) -> dict[fx.Node, frozenset[str]]:
    """For every tensor, the convolutions on any way from the image to it."""
    before: dict[fx.Node, frozenset[str]] = {}
    for node, op in graph.ops.items():
        own = frozenset({op.name}) if isinstance(op, Conv) else frozenset()
        before[node] = own.union(*(before[n] for n in op.inputs if n in before))
    return before


def _producer(graph: Graph, node: fx.Node) -> Op:
    """The operation that made these channels, back through channel-wise ones (and through scaling)."""
    op = graph.ops[node]
    while isinstance(op, (Channelwise, Mul)):
        op = graph.ops[op.inputs[0]]
    return op


def _shortcut_convolutions(graph: Graph, before: dict[fx.Node, frozenset[str]]) -> set[str]:
    """A convolution straight into an addition whose other side starts from the same tensor and goes further."""
    names = set()
    for op in graph.ops.values():
        ends = [_producer(graph, n) for n in op.inputs] if isinstance(op, Add) else []
        for end in ends:
            others = [o for o in ends if isinstance(o, Conv) and o is not end]
            if isinstance(end, Conv) and any(_passes_more_convolutions(graph, other, end, before) for other in others):
                names.add(end.name)
    return names


def _passes_more_convolutions(graph: Graph, other: Conv, end: Conv, before: dict[fx.Node, frozenset[str]]) -> bool:
    """Does the other side pass through more convolutions since the tensor that `end` reads?"""
    passed = before[other.inputs[0]]
    return end.name not in passed and passed > before[end.inputs[0]]


def _join_before(graph: Graph, node: fx.Node, shortcuts: set[str], before: dict[fx.Node, frozenset[str]]) -> str | None:
    """The last convolution of the block whose addition made this tensor."""
    op = _producer(graph, node)
    if not isinstance(op, Add):
        return None
    ends = [_producer(graph, n) for n in op.inputs]
    convs = [end for end in ends if isinstance(end, Conv) and end.name not in shortcuts]
    earlier = frozenset().union(*(before[conv.inputs[0]] for conv in convs))  # made the stream that the block reads
    last = [conv.name for conv in convs if conv.name not in earlier]
    return last[0] if len(last) == 1 else None


def _gating_convolutions(graph: Graph) -> set[str]:
    """Convolutions inside a branch of a product that starts from a global pooling: squeeze-excitation."""
    names: set[str] = set()
    for op in graph.ops.values():
        for side in op.inputs[1:] + op.inputs[:1] if isinstance(op, Mul) else ():
            if set(graph.shape(side)[2:]) <= {1}:
                names |= _branch_convolutions(graph, side)
    return names


def _branch_convolutions(graph: Graph, node: fx.Node) -> set[str]:
    """Convolutions on 1x1 maps from here back."""
    names: set[str] = set()
    op = graph.ops[node]
    while op.inputs and set(graph.shape(op.node)[2:]) <= {1}:
        names |= {op.name} if isinstance(op, Conv) else set()
        op = graph.ops[op.inputs[0]]
    return names


def _classifier_convolutions(graph: Graph) -> set[str]:
    """Convolutions whose filters are the classes: their channels reach the output itself."""
    output = next(op for op in graph.ops.values() if op.node.op == "output")
    names, todo = set(), list(output.inputs)
    while todo:
        op = graph.ops[todo.pop()]
        if isinstance(op, Conv):
            names.add(op.name)
        elif isinstance(op, (Channelwise, Index, Cat, Broadcast)):
            todo += op.inputs
    return names
