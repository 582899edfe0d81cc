"""FCF's whole update at one step (both projections, gradients of all gates, duals) against the authors' QP per layer.

The yardstick is what the authors do: for each layer min |z - x|^2 on {0 <= z <= 1, sum z = K} by OSQP, set up anew at
each step. Both in one process, by turns.
"""

import numpy as np
import osqp
import torch
from scipy import sparse

from experiments.benchmarks.bench import Row, main, paired
from pruning.budget import keep
from pruning.methods.fcf.lpbox import LpBox

NETWORKS = {"ResNet-20": 3, "ResNet-56": 9, "ResNet-110": 18}  # blocks in each stage, two gated convolutions in each


def widths(blocks: int) -> list[int]:
    return [width for width in (16, 32, 64) for _ in range(2 * blocks)]


def by_qp(points: list[np.ndarray]) -> list[np.ndarray]:
    """The authors' way to z1."""
    found = []
    for x in points:
        m = len(x)
        solver = osqp.OSQP()
        rows = sparse.vstack([sparse.eye(m), np.ones((1, m))], format="csc")
        total = keep(m, 0.5)
        low, high = np.r_[np.zeros(m), total], np.r_[np.ones(m), total]
        solver.setup(sparse.eye(m, format="csc"), -x, rows, low, high, verbose=False, eps_abs=1e-5, eps_rel=1e-5)
        found.append(solver.solve().x)
    return found


def one(name: str, blocks: int) -> Row:
    layers = widths(blocks)
    box = LpBox(layers, [keep(m, 0.5) for m in layers], 0.99, 0.01, 1.01, 6.0)
    gates = [torch.rand(m) for m in layers]
    pulls = [torch.randn(m) / 100 for m in layers]
    points = [gate.double().numpy() for gate in gates]

    def ours() -> None:
        stacked = box.stack(gates)
        torch._foreach_copy_(pulls, box.rows(box.steered(stacked, box.stack(pulls))))
        box.settle(stacked)

    times = paired({"ours": ours, "qp": lambda: by_qp(points)}, rounds=15, warm=3)
    return {
        "network": name,
        "gated layers": len(layers),
        "ours, ms": times["ours"],
        "QP per layer, ms": times["qp"],
        "times faster": times["qp"] / times["ours"],
    }


def measure() -> list[Row]:
    return [one(name, blocks) for name, blocks in NETWORKS.items()]


if __name__ == "__main__":
    main("fcf_update", "FCF's update at one step against the authors' QP per layer", measure)
