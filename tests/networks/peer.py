"""Torch-Pruning beside: what it cuts of the same network at the same ratio, and whether it still is the masked one."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from experiments.benchmarks.peer_mask import Tombs
from tests.networks.prove import RATIOS, Row, computed_macs, distance, outputs, words
from tests.networks.zoo import Entry

WEIGHTED = ("Convolution", "Addmm", "Mm", "SlowConv")  # of autograd's nodes


def compare(entry: Entry) -> Row:
    """`share` of MACs cut by each ratio, and `certificate`: how far from the network masked at the same filters; or
    the words that it failed with."""
    row: Row = {"cut": {}}
    try:
        dense = entry.build()
        for ratio in RATIOS:
            row["cut"][str(ratio)] = cut(dense, entry, ratio)
    except Exception as error:  # a peer may fail in its own words
        row["words"] = words(error)
    return row


def cut(dense: nn.Module, entry: Entry, ratio: float) -> dict[str, float]:
    import torch_pruning as peer

    small, masked = copy.deepcopy(dense), copy.deepcopy(dense)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        pruner = peer.pruner.BasePruner(
            small,
            entry.inputs(2),
            importance=peer.importance.RandomImportance(),
            pruning_ratio=ratio,
            ignored_layers=last_layers(small, entry),
        )
        tombs = Tombs(small, masked)
        for group in pruner.step(interactive=True):
            tombs.silence(pruner.DG, group)
            group.prune()
    wanted, got = outputs(masked, entry), outputs(small, entry)
    certificate = max(distance(a, b) for a, b in zip(wanted, got, strict=True))
    return {"share": 1 - computed_macs(small, entry) / computed_macs(dense, entry), "certificate": certificate}


def last_layers(network: nn.Module, entry: Entry) -> list[nn.Module]:
    """The layers whose channels are the output's own, by a walk back over autograd's graph: they stay whole."""
    owners = {parameter: module for module in network.modules() for parameter in module.parameters(recurse=False)}
    found = [leaf for leaf in tree_leaves(network(*entry.inputs(2))) if isinstance(leaf, torch.Tensor)]
    return [owners[p] for node in weighted_nodes([leaf.grad_fn for leaf in found]) for p in leaves(node) if p in owners]


def weighted_nodes(todo: list[Any]) -> Iterator[Any]:
    seen = set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name().startswith(WEIGHTED):
            yield node
        else:
            todo += [before for before, _ in node.next_functions]


def leaves(node: Any) -> Iterator[nn.Parameter]:
    """The parameters that a node of autograd reads, a transposed one too."""
    for before, _ in node.next_functions:
        if before is not None and before.name().startswith(("TBackward", "Transpose")):
            yield from leaves(before)
        elif hasattr(before, "variable"):
            yield before.variable
