"""What a checkpoint holds of a cut: plain values and tensors, from which the small structure is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from torch import nn

from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.pruned import Pruned, report_cut
from pruning.repair.registry import Repaired
from pruning.selection import Selection
from pruning.surgery.compact import build_small

State = dict[str, Any]


def to_state(pruned: Pruned) -> State:
    """As torch.load takes it with weights_only."""
    report = pruned.report
    verdicts = {row.name: row.verdict for row in report.rows} if report else {}
    return {
        "selection": dict(pruned.selection),
        "image_shape": pruned.image_shape,
        "verdicts": verdicts,
        "certificate": report.certificate if report else None,
        "repairs": [asdict(repair) for repair in report.repairs] if report else [],
    }


def from_state(state: Mapping[str, Any], network: nn.Module) -> Pruned:
    """Of a plain full-size network; the weights are those of the network, and yet to be loaded."""
    choice, image_shape = Selection(state["selection"]), state["image_shape"]
    graph = trace(network, image_shape)
    before, after = analyse(graph, Selection({})), analyse(graph, choice)
    small = build_small(network, after)
    report = report_cut(network, small, before, after, state["verdicts"], state["certificate"])
    repairs = tuple(Repaired(**repair) for repair in state.get("repairs", ()))
    return Pruned(small, choice, None, image_shape, report=replace(report, repairs=repairs))
