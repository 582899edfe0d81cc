"""The exact projections against an independent solver and against what a projection is."""

import numpy as np
import osqp
import pytest
import torch
from scipy import sparse

from pruning.methods.gates.projection import onto_box_with_sum, onto_sphere

WIDTHS = (16, 5, 1, 9)
VALID = torch.arange(max(WIDTHS)) < torch.tensor(WIDTHS)[:, None]


def by_quadratic_programme(x: np.ndarray, total: float) -> np.ndarray:
    """The authors' way: minimise |z - x|^2 under 0 <= z <= 1 and sum z = total."""
    m, solver = len(x), osqp.OSQP()
    rules = sparse.vstack([sparse.eye(m), np.ones((1, m))], format="csc")
    low, high = np.append(np.zeros(m), total), np.append(np.ones(m), total)
    solver.setup(
        sparse.eye(m, format="csc"), -x, rules, low, high, eps_abs=1e-9, eps_rel=1e-9, max_iter=100_000,
        polishing=False, verbose=False,
    )  # fmt: skip
    return solver.solve(raise_error=True).x


def batch(seed: int, spread: float) -> torch.Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randn(VALID.shape, generator=draws, dtype=torch.double) * spread + 0.5


@pytest.mark.parametrize("totals", [(8, 2, 1, 4), WIDTHS, (1, 1, 1, 1)], ids=["some", "all", "one"])
@pytest.mark.parametrize(("seed", "spread"), [(0, 0.1), (1, 1.0), (2, 30.0)])
def test_box_with_sum_is_what_the_solver_finds(totals: tuple[int, ...], seed: int, spread: float) -> None:
    x = batch(seed, spread)
    z = onto_box_with_sum(x, torch.tensor(totals, dtype=torch.double), VALID)
    assert (z[~VALID] == 0).all()
    assert torch.allclose(z.sum(1), torch.tensor(totals, dtype=torch.double), atol=1e-9)
    for row, wide, total in zip(range(4), WIDTHS, totals, strict=True):
        wanted = by_quadratic_programme(x[row, :wide].numpy(), total)
        assert np.abs(z[row, :wide].numpy() - wanted).max() < 1e-5


@pytest.mark.parametrize("value", [-3.0, 0.0, 0.5, 1.0, 4.0])
def test_ties_share_the_sum(value: float) -> None:
    x = torch.full(VALID.shape, value, dtype=torch.double)
    totals = torch.tensor([4.0, 5.0, 1.0, 3.0], dtype=torch.double)
    z = onto_box_with_sum(x, totals, VALID)
    wanted = (totals / torch.tensor(WIDTHS))[:, None].expand_as(x) * VALID
    assert torch.allclose(z, wanted, atol=1e-12)


def test_some_ties_by_hand() -> None:
    """Two of (2, 2, 2, 0): shift 4/3 leaves 2/3 each."""
    x = torch.tensor([[2.0, 2.0, 2.0, 0.0]])
    z = onto_box_with_sum(x, torch.tensor([2.0]), torch.ones(1, 4, dtype=torch.bool))
    assert torch.allclose(z, torch.tensor([[2 / 3, 2 / 3, 2 / 3, 0.0]]))


def test_what_lies_in_the_set_stays() -> None:
    x = torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.5, 0.5]])
    assert torch.allclose(onto_box_with_sum(x, torch.tensor([3.0]), torch.ones_like(x, dtype=torch.bool)), x)


def test_float32_rows_of_512_keep_their_sum() -> None:
    x = batch(0, 1.0)[:1].repeat(1, 32).float()
    z = onto_box_with_sum(x, torch.tensor([256.0]), torch.ones_like(x, dtype=torch.bool))
    assert z.dtype == torch.float32
    assert z.double().sum().item() == pytest.approx(256, abs=1e-3)
    assert 0 <= z.min() <= z.max() <= 1


@pytest.mark.parametrize("seed", range(3))
def test_sphere(seed: int) -> None:
    """On the sphere, in the direction of the point, idempotent, and nearer than any other point of it."""
    x = batch(seed, 1.0)
    z = onto_sphere(x, VALID)
    radius = torch.tensor(WIDTHS, dtype=torch.double).sqrt() / 2
    away = (z - 0.5) * VALID
    assert (z[~VALID] == 0).all()
    assert torch.allclose(away.norm(dim=1), radius)
    assert torch.allclose(onto_sphere(z, VALID), z)
    cosine = (away * (x - 0.5)).sum(1) / (away.norm(dim=1) * ((x - 0.5) * VALID).norm(dim=1))
    assert torch.allclose(cosine, torch.ones(4, dtype=torch.double))
    for other in range(10, 20):
        there = onto_sphere(batch(other, 1.0), VALID)
        assert (((z - x) * VALID).norm(dim=1) <= ((there - x) * VALID).norm(dim=1) + 1e-12).all()


def test_the_centre_of_the_sphere_goes_to_all_ones() -> None:
    z = onto_sphere(torch.full(VALID.shape, 0.5, dtype=torch.double), VALID)
    assert torch.allclose(z, VALID.double())


def test_every_binary_vector_lies_on_the_sphere() -> None:
    z = (batch(0, 1.0) > 0.5).double() * VALID
    assert torch.allclose(onto_sphere(z, VALID), z)
