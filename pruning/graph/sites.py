"""Where the layers that may be cut stand: at a network's stem, free, joined to others by additions, or past a block."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from pruning.arguments import key
from pruning.graph import tables
from pruning.graph.calls import Call
from pruning.graph.graph import Graph
from pruning.graph.ops import Add, Channelwise, Conv, Mul, Norm, NotZeroPreserving, Op, Opaque, Source, Weighted
from pruning.graph.streams import ChannelUnionFind, is_depthwise
from pruning.selection import TRANSPOSED

EXCEPT = "!"  # before a pattern of sites that stay whole


@dataclass(frozen=True)
class Site:
    """One convolution, or linear layer, that a selection may cut.

    `joined`: its filters meet those of others in an addition. `shortcut`: it carries the stream past a block.
    `gating`: its output, squashed, multiplies a tensor (squeeze-excitation). `stem`: no convolution stands before it.
    `computed`: forward makes its weight from whole filters (weight standardisation), so that no kernel goes alone.
    `drops_with`: the last convolution of the block before, when this one is the first reader of its join.
    """

    name: str
    filters: int
    columns: int
    kernel: int
    grouped: bool
    depthwise: bool
    stem: bool
    joined: bool
    shortcut: bool
    transposed: bool
    gating: bool
    final: bool
    computed: bool
    drops_with: str | None

    @property
    def pinned(self) -> bool:
        """Not to be cut whatever it is joined with."""
        return self.gating or self.final


def sites(graph: Graph, linear: bool = False) -> dict[str, Site]:
    """All sites of a network by name, in order of execution: its convolutions, and its `linear` layers if asked."""
    joined = ChannelUnionFind(graph).joined()
    before = _convolutions_before(graph)
    shortcuts = _shortcut_convolutions(graph, before)
    gating, final = _gating_convolutions(graph), _classifier_convolutions(graph)
    computed = graph.trace.normal.computed
    by_name = {}
    layers = graph.weighted() if linear else graph.convolutions()
    for name, op in layers.items():
        drop = _join_before(graph, op.inputs[0], shortcuts, before)
        rows, columns = op.weight.shape[:2]
        by_name[name] = Site(
            name, rows, columns, op.kernel_size, op.groups > 1, is_depthwise(op),
            stem=not before[op.inputs[0]], joined=name in joined, shortcut=name in shortcuts,
            transposed=isinstance(op.layer, TRANSPOSED),
            gating=name in gating, final=name in final, computed=name in computed,
            drops_with=None if name in shortcuts or name in computed else drop,
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
    readers = list(graph.weighted()[convolution].node.users)
    op = graph.ops.get(readers[0]) if len(readers) == 1 else None
    layer = graph.trace.layer(op.node) if isinstance(op, Norm) else None
    return str(readers[0].target) if isinstance(getattr(layer, "weight", None), nn.Parameter) else None


def _convolutions_before(graph: Graph) -> dict[fx.Node, int]:
    """For every tensor the convolutions on any way from the image to it, as bits: sets of names would be quadratic."""
    before: dict[fx.Node, int] = {}
    bit = 1
    for node, op in graph.ops.items():
        before[node] = 0
        for source in op.inputs:
            before[node] |= before[source]
        if isinstance(op, Conv):
            before[node], bit = before[node] | bit, bit << 1
    return before


def _producer(graph: Graph, node: fx.Node) -> Op:
    """The operation that made these channels, back through channel-wise ones (and through scaling)."""
    op = graph.ops[node]
    while isinstance(op, (Channelwise, Mul)):
        op = graph.ops[op.inputs[0]]
    return op


def _shortcut_convolutions(graph: Graph, before: dict[fx.Node, int]) -> set[str]:
    """A convolution straight into an addition whose other side starts from the same tensor and goes further."""
    names = set()
    for op in graph.ops.values():
        ends = [_producer(graph, n) for n in op.inputs] if isinstance(op, Add) else []
        for end in ends:
            others = [o for o in ends if isinstance(o, Conv) and o is not end]
            if isinstance(end, Conv) and any(_passes_more_convolutions(graph, other, end, before) for other in others):
                names.add(end.name)
    return names


def _passes_more_convolutions(graph: Graph, other: Conv, end: Conv, before: dict[fx.Node, int]) -> bool:
    """Does the other side pass through more convolutions since the tensor that `end` reads?"""
    passed, start = before[other.inputs[0]], before[end.inputs[0]]
    return not _is_within(before[end.node] & ~start, passed) and passed != start and _is_within(start, passed)


def _is_within(part: int, whole: int) -> bool:
    return part & ~whole == 0


def _join_before(graph: Graph, node: fx.Node, shortcuts: set[str], before: dict[fx.Node, int]) -> str | None:
    """The last convolution of the block whose addition made this tensor."""
    op = _producer(graph, node)
    if not isinstance(op, Add):
        return None
    ends = [_producer(graph, n) for n in op.inputs]
    convs = [end for end in ends if isinstance(end, Conv) and end.name not in shortcuts]
    earlier = 0  # made the stream that the block reads
    for conv in convs:
        earlier |= before[conv.inputs[0]]
    last = [conv.name for conv in convs if not _is_within(before[conv.node] & ~before[conv.inputs[0]], earlier)]
    return last[0] if len(last) == 1 else None


def _gating_convolutions(graph: Graph) -> set[str]:
    """Convolutions whose output, made from a global pooling and squashed, multiplies a tensor: squeeze-excitation."""
    pooled = _pooled_tensors(graph)
    names: set[str] = set()
    for op in graph.ops.values():
        gates = [side for side in op.inputs if side in pooled] if isinstance(op, Mul) else []
        for gate in gates if len(gates) < len(op.inputs) else ():
            names |= _squashed_convolutions(graph, gate, pooled)
    return names


def _pooled_tensors(graph: Graph) -> set[fx.Node]:
    """Tensors without places, made from what a global pooling gives and from constants alone."""
    pooled: set[fx.Node] = set()
    for node, op in graph.ops.items():
        sources = [n for n in op.inputs if not isinstance(graph.ops[n], Source)]
        if _is_global_pooling(graph, op) or (sources and all(n in pooled for n in sources)):
            pooled.add(node)
    return pooled


def _is_global_pooling(graph: Graph, op: Op) -> bool:
    """By what it is, not by the size of what it gives: everything is 1x1 somewhere in a network of small images."""
    if not isinstance(op, Channelwise) or not {op.node, op.inputs[0]} <= graph.trace.shapes.keys():
        return False  # x.max(2) gives two tensors
    if torch.Size(graph.shape(op.node)[1:]).numel() != op.width:
        return False
    call, before = Call(op.node, graph.trace, graph.ops), graph.shape(op.inputs[0])
    if call.layer is not None:
        return _is_one(getattr(call.layer, "output_size", None))
    if (place := tables.ALONG_AXES.get(call.kind)) is not None:
        dims = call.argument("dim", place)
        return len(before) - 2 == (len(dims) if isinstance(dims, (tuple, list)) else 1)
    if call.kind not in tables.POOLINGS:
        return False
    by_size = len(op.node.all_input_nodes) > 1  # F.avg_pool2d(x, x.shape[2:])
    return by_size or max(before[2:]) > 1 or _is_one(call.argument("output_size", 1))


def _is_one(size: object) -> bool:
    return size == 1 or (isinstance(size, (tuple, list)) and set(size) == {1})


def _squashed_convolutions(graph: Graph, node: fx.Node, pooled: set[fx.Node]) -> set[str]:
    """The convolutions of pooled tensors next before this one, with something between that makes more than zero of
    zero: what stands before the pooling makes the map that is gated, or normalised (FRN), and no gate."""
    names, todo, seen = set(), [(node, False)], {(node, False)}
    while todo:
        node, squashed = todo.pop()
        op = graph.ops[node]
        if isinstance(op, Weighted):
            names |= {op.name} if squashed else set()
            continue
        squashed = squashed or isinstance(op, (NotZeroPreserving, Opaque))
        further = {(source, squashed) for source in op.inputs if source in pooled}
        todo += further - seen
        seen |= further
    return names


def _classifier_convolutions(graph: Graph) -> set[str]:
    """Convolutions whose filters are the classes: no other layer of filters stands between them and the output."""
    output = next(op for op in graph.ops.values() if op.node.op == "output")
    names, todo, seen = set(), list(output.inputs), set(output.inputs)
    while todo:
        op = graph.ops[todo.pop()]
        if isinstance(op, Weighted):
            names.add(op.name)
        else:
            todo += [source for source in op.inputs if source not in seen]
            seen.update(op.inputs)
    return names
