"""The batched ADMM against one written out layer by layer, number by number."""

import numpy as np
import pytest
import torch

from pruning.methods.gates.lpbox import LpBox

WIDTHS, KEEP = [6, 3, 10], [2, 3, 5]
ALPHA, RHO, MU, RHO_MAX, LR = 0.9, 0.0625, 1.05, 2.0, 0.1


class ByHand:
    """One layer (METHODS section 1, steps 2 to 6)."""

    def __init__(self, wide: int, keep: int) -> None:
        self.keep, self.rho = keep, RHO
        self.v, self.y1, self.y2 = np.ones(wide), np.zeros(wide), np.zeros(wide)

    def box(self, x: np.ndarray) -> np.ndarray:
        low, high = x.min() - 2, x.max() + 2
        for _ in range(200):  # bisection on the shift
            middle = (low + high) / 2
            low, high = (middle, high) if np.clip(x - middle, 0, 1).sum() > self.keep else (low, middle)
        return np.clip(x - low, 0, 1)

    def sphere(self, x: np.ndarray) -> np.ndarray:
        return 0.5 + np.sqrt(len(x)) / 2 * (x - 0.5) / np.linalg.norm(x - 0.5)

    def step(self, pull: np.ndarray) -> np.ndarray:
        z1, z2 = self.box(self.v + self.y1 / self.rho), self.sphere(self.v + self.y2 / self.rho)
        constraint = self.y1 + self.y2 + self.rho * (2 * self.v - z1 - z2)
        self.v = self.v - LR * (ALPHA * constraint + (1 - ALPHA) * pull)
        self.y1 += self.rho * (self.v - z1)
        self.y2 += self.rho * (self.v - z2)
        self.rho *= MU if self.rho < RHO_MAX else 1
        return self.v


def test_a_hundred_steps_of_all_layers_are_those_of_each_by_hand() -> None:
    box = LpBox(WIDTHS, KEEP, ALPHA, RHO, MU, RHO_MAX).double()
    layers = [ByHand(wide, keep) for wide, keep in zip(WIDTHS, KEEP, strict=True)]
    v = box.stack([torch.ones(wide, dtype=torch.double) for wide in WIDTHS])
    draws = np.random.default_rng(0)
    for _ in range(100):
        pulls = [draws.normal(size=wide) * 0.3 for wide in WIDTHS]
        v = v - LR * box.constrained_gradient(v, box.stack([torch.from_numpy(pull) for pull in pulls]))
        box.settle(v)
        for layer, pull, row in zip(layers, pulls, box.rows(v), strict=True):
            assert np.abs(layer.step(pull) - row.numpy()).max() < 1e-9
    assert box.rho.item() == pytest.approx(layers[0].rho)
    for layer, y1, y2 in zip(layers, box.rows(box.y[0]), box.rows(box.y[1]), strict=True):
        assert np.abs(layer.y1 - y1.numpy()).max() < 1e-9
        assert np.abs(layer.y2 - y2.numpy()).max() < 1e-9


def test_the_penalty_stops_growing_past_its_end() -> None:
    box = LpBox([4], [2], ALPHA, rho=1.0, mu=1.5, rho_max=3.0)
    v = box.stack([torch.rand(4)])
    seen = []
    for _ in range(5):
        box.constrained_gradient(v, v)
        box.settle(v)
        seen.append(box.rho.item())
    assert seen == [1.5, 2.25, 3.375, 3.375, 3.375]


def test_stacking_and_back() -> None:
    box = LpBox(WIDTHS, KEEP, ALPHA, RHO, MU, RHO_MAX)
    rows = [torch.rand(wide) for wide in WIDTHS]
    stacked = box.stack(rows)
    assert stacked.shape == (3, 10)
    assert (stacked[~box.valid] == 0).all()
    assert all(torch.equal(a, b) for a, b in zip(rows, box.rows(stacked), strict=True))


def test_the_gap_is_the_mean_distance_from_zero_or_one() -> None:
    box = LpBox([2, 4], [1, 1], ALPHA, RHO, MU, RHO_MAX)
    v = box.stack([torch.tensor([0.1, 1.3]), torch.tensor([0.0, 1.0, 0.5, -0.1])])
    assert torch.allclose(box.gap(v), torch.tensor([0.2, 0.15]))


def test_crossings_count_gates_that_change_sides() -> None:
    box = LpBox([3], [1], ALPHA, RHO, MU, RHO_MAX)
    for gates in ([0.9, 0.6, 0.4], [0.9, 0.4, 0.6], [0.9, 0.4, 0.6]):
        v = box.stack([torch.tensor(gates)])
        box.constrained_gradient(v, v)
        box.settle(v)
    assert box.crossings.item() == 1 + 2  # all start above a half


def test_padding_never_moves() -> None:
    box = LpBox(WIDTHS, KEEP, ALPHA, RHO, MU, RHO_MAX)
    v = box.stack([torch.ones(wide) for wide in WIDTHS])
    for _ in range(20):
        v = v - LR * box.constrained_gradient(v, torch.zeros_like(v))
        box.settle(v)
    for value in (v, *box.y, *box.z):
        assert (value[~box.valid] == 0).all()


@pytest.mark.parametrize(("pull", "binary"), [(0.0, False), (1e-5, True)])
def test_gates_that_feel_nothing_never_decide(pull: float, binary: bool) -> None:
    """All start at 1, and equal gates with equal gradients stay equal: something has to tell them apart."""
    box, draws = LpBox([16], [8], 0.99, 0.01, 600 ** (1 / 150), 6.0), torch.Generator().manual_seed(0)
    v = torch.ones(1, 16)
    for _ in range(300):
        v = v - 0.1 * box.constrained_gradient(v, pull * torch.randn(1, 16, generator=draws))
        box.settle(v)
    assert (box.gap(v).item() < 0.01) == binary
