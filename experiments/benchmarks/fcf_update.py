"""FCF's whole update at one step (both projections, gradients of all gates, duals) against the authors' QP per layer.

The yardstick is what the authors do: for each layer min |z - x|^2 on {0 <= z <= 1, sum z = K} by OSQP, set up anew at
each step. Both in one process, by turns, in processor time: fifty updates of
ours in a row, then one step's QPs, which are a row of their own.
"""

import time

import numpy as np
import numpy.typing as npt
import osqp
import torch
from scipy import sparse

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark, time_paired
from pruning.budget.problem import count_kept
from pruning.methods.gates.lpbox import LpBox

NETWORKS = {"ResNet-20": 3, "ResNet-56": 9, "ResNet-110": 18}  # blocks in each stage, two gated convolutions in each
IN_A_ROW = 50
CONVOLUTION, IMAGES = torch.nn.Conv2d(64, 64, 3, padding=1), torch.randn(64, 64, 32, 32)


def layer_widths(blocks: int) -> list[int]:
    return [width for width in (16, 32, 64) for _ in range(2 * blocks)]


def solve_qps(points: list[npt.NDArray[np.float64]]) -> list[npt.NDArray[np.float64]]:
    """The authors' way to z1."""
    solutions = []
    for x in points:
        m = len(x)
        solver = osqp.OSQP()
        rows = sparse.vstack([sparse.eye(m), np.ones((1, m))], format="csc")
        total = count_kept(m, 0.5)
        low, high = np.r_[np.zeros(m), total], np.r_[np.ones(m), total]
        solver.setup(sparse.eye(m, format="csc"), -x, rows, low, high, verbose=False, eps_abs=1e-5, eps_rel=1e-5)
        solutions.append(solver.solve().x)
    return solutions


def measure_network(name: str, blocks: int) -> Row:
    layers = layer_widths(blocks)
    box = LpBox(layers, [count_kept(m, 0.5) for m in layers], 0.99, 0.01, 1.01, 6.0)
    gates = [torch.rand(m) for m in layers]
    pulls = [torch.randn(m) / 100 for m in layers]
    points = [gate.double().numpy() for gate in gates]

    def ours() -> None:
        stacked = box.stack(gates)
        torch._foreach_copy_(pulls, box.rows(box.constrained_gradient(stacked, box.stack(pulls))))
        box.settle(stacked)

    def updates() -> None:
        for _ in range(IN_A_ROW):
            ours()

    times = time_paired({"ours": updates, "qp": lambda: solve_qps(points)}, rounds=9, warm=2, clock=time.process_time)
    cold = time_paired({"sweep": evict_caches, "ours": ours}, rounds=15, warm=2, clock=time.process_time)["ours"]
    return {"network": name, "gated layers": len(layers)} | update_figures(times["ours"], cold, times["qp"])


def update_figures(in_a_row: float, cold: float, qp: float) -> dict[str, float]:
    """Of milliseconds: of all updates in a row, of one after a convolution, of the QPs of one step."""
    update = in_a_row / IN_A_ROW
    return {
        "ours, ms": update,
        "ours after a convolution, ms": cold,
        "QP per layer, ms": qp,
        "times faster": qp / update,
        "times faster after a convolution": qp / cold,
    }


@torch.no_grad()
def evict_caches() -> None:
    """Between two updates lies a training step, which leaves nothing of them in the processor's caches."""
    CONVOLUTION(IMAGES)


def measure() -> list[Row]:
    return [measure_network(name, blocks) for name, blocks in NETWORKS.items()]


def aims(rows: list[Row]) -> list[Aim]:
    by_network = {row["network"]: row for row in rows}
    few, many = (number(by_network[name], "ours, ms") for name in ("ResNet-20", "ResNet-110"))
    return [
        Aim("ResNet-56: times faster than a QP per layer", 50, number(by_network["ResNet-56"], "times faster")),
        Aim(
            "six times the layers: growth of the update's time",
            2,
            many / few,
            "most",
        ),
    ]


if __name__ == "__main__":
    run_benchmark("fcf_update", "FCF's update at one step against the authors' QP per layer", measure, aims)
