"""What pruning gives: a small network with everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from pruning.graph.cost import Cost, count_bytes, predict
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import Liveness
from pruning.layers import Row, cost_line, layer_rows, print_table
from pruning.models.registry import Origin
from pruning.repair.registry import Repaired
from pruning.selection import Selection


@dataclass(frozen=True)
class Preprocessing:
    """What images went through: shorter side to `resize` (None: as it is), centre crop to the network's size, RGB in
    [0, 1], then mean and standard deviation of each colour."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: int | None = None

    def normalise(self, images: Float[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 3 h w"]:
        """Of RGB in [0, 1]."""
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (images - mean) / std


@dataclass(frozen=True)
class Report:
    """What pruning has done: every convolution, kept of total and why; costs of the whole network before and after;
    `certificate`: the largest difference from the masked full-size network, relative to its largest output, before
    anything was mended; `repairs`: what was; `remarks`: what the budget says of the result."""

    rows: tuple[Row, ...]
    before: Cost
    after: Cost
    bytes: tuple[int, int]
    certificate: float
    repairs: tuple[Repaired, ...] = ()
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        table = print_table(self.rows, self.before, self.after)
        repairs = "".join(f"\n{'repair':<12}{repair}" for repair in self.repairs)
        remarks = "".join(f"\n{remark}" for remark in self.remarks)
        certificate = f"{'certificate':<12}{self.certificate:.1e}"
        return f"{table}\n{cost_line('bytes', *self.bytes)}\n{certificate}{repairs}{remarks}"


def report_cut(
    network: nn.Module,
    small: nn.Module,
    before: Liveness,
    after: Liveness,
    verdicts: Mapping[str, str | None],
    certificate: float,
) -> Report:
    """Of a plain full-size network and what is left of it; `verdicts`: a method's reasons."""
    rows = layer_rows(network, before, after, verdicts)
    sizes = count_bytes(network), count_bytes(small)
    return Report(rows, predict(before), predict(after), sizes, certificate)


@dataclass(frozen=True, repr=False)
class Pruned:
    """A small network, and what it takes to use it and to make it again; printed as a table.

    `selection`: which kernels of the full-size network survive. `origin`: how that one is built by name, if it can be.
    `classes` are empty for a network that is no classifier.
    """

    network: nn.Module
    selection: Selection
    origin: Origin | None
    image_shape: Shapes
    classes: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    report: Report | None = None

    def __repr__(self) -> str:
        cost = self.report and f", {self.report.after.macs:,} of {self.report.before.macs:,} MACs"
        return f"Pruned({type(self.network).__name__}, images {self.image_shape}{cost or ''})"

    def __str__(self) -> str:
        return repr(self) if self.report is None else str(self.report)
