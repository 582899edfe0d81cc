"""The mathematics against torch.linalg.lstsq, and patches against the layers themselves."""

import pytest
import torch
from torch import Tensor, nn

from pruning.repair.least_squares import RIDGES, NormalEquations, solve_tried
from pruning.repair.patches import count_positions, input_patches, output_rows
from pruning.testing import relative


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def ridge_by_lstsq(patches: Tensor, residuals: Tensor, ridge: float, bias: bool) -> Tensor:
    """The same problem written as rows: every sample, and every weight to stay where it is."""
    inputs = patches.shape[1]
    eps = ridge * patches.square().sum(0).mean()
    rows = torch.cat([patches, torch.ones(len(patches), int(bias), dtype=torch.double)], 1)
    stay = eps.sqrt() * torch.eye(inputs + bias, dtype=torch.double)
    wanted = torch.cat([residuals, torch.zeros(inputs + bias, residuals.shape[1], dtype=torch.double)])
    return torch.linalg.lstsq(torch.cat([rows, stay]), wanted).solution.T


@pytest.mark.parametrize("samples", [5, 40])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_the_ridge_solution_of_every_group(samples: int, bias: bool) -> None:
    patches, residuals = draw(3, samples, 8), draw(3, samples, 2, seed=1)
    sums = NormalEquations(8, bias, samples)
    for part in range(0, samples, 5):
        sums.add(patches[:, part : part + 5], residuals[:, part : part + 5])
    got = sums.solve(ridge=0.1)
    for group in range(3):
        assert relative(ridge_by_lstsq(patches[group], residuals[group], 0.1, bias), got[group]) < 1e-12


def test_inputs_that_are_always_zero_change_nothing() -> None:
    sums = NormalEquations(4, False, 10)
    sums.add(torch.zeros(1, 10, 4, dtype=torch.double), draw(1, 10, 2))
    assert torch.equal(sums.solve(RIDGES[0]), torch.zeros(1, 2, 4, dtype=torch.double))


def summed(patches: Tensor, residuals: Tensor, samples: int) -> NormalEquations:
    sums = NormalEquations(patches.shape[2], False, samples)
    sums.add(patches, residuals)
    return sums


@pytest.mark.parametrize("samples", [6, 40])
def test_the_error_of_a_change_is_that_of_explicit_residuals(samples: int) -> None:
    patches, residuals, change = draw(2, samples, 8), draw(2, samples, 3, seed=1), draw(2, 3, 8, seed=2)
    explicit = (residuals - patches @ change.mT).square().sum() - residuals.square().sum()
    assert summed(patches, residuals, samples).error(change) == pytest.approx(explicit.item(), rel=1e-10)


@pytest.mark.parametrize("samples", [6, 40])
def test_the_ridge_is_what_the_held_out_samples_like_best(samples: int) -> None:
    """Weights of a known teacher under much noise: all samples, at the ridge that a search by hand finds."""
    patches, teacher = draw(1, 2 * samples, 8), draw(1, 3, 8, seed=1)
    residuals = patches @ teacher.mT + 3 * draw(1, 2 * samples, 3, seed=2)
    tried, held_out = (
        summed(patches[:, part], residuals[:, part], samples) for part in (slice(samples), slice(samples, None))
    )
    errors = {ridge: held_out.error(tried.solve(ridge)) for ridge in RIDGES}
    best = min(errors, key=errors.__getitem__)
    got = solve_tried(tried, held_out)
    expected = ridge_by_lstsq(patches[0], residuals[0], best, bias=False) if errors[best] < 0 else torch.zeros(3, 8)
    assert relative(expected.double(), got[0]) < 1e-10 or torch.equal(got[0], expected)


def test_what_only_the_tried_samples_ask_for_changes_nothing() -> None:
    tried = summed(draw(1, 20, 8), draw(1, 20, 2, seed=1), 20)
    other = summed(draw(1, 20, 8, seed=2), -draw(1, 20, 8, seed=2) @ tried.solve(0.01)[0].mT, 20)
    assert not solve_tried(tried, other).any()


LAYERS = {
    "plain": (nn.Conv2d(4, 6, 3), (4, 7, 6)),
    "all at once": (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2), (4, 9, 8)),
    "depthwise": (nn.Conv2d(4, 8, 3, padding="same", groups=4), (4, 6, 6)),
    "reflecting": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), (4, 6, 6)),
    "1d": (nn.Conv1d(4, 6, 3, stride=2), (4, 9)),
    "3d": (nn.Conv3d(4, 6, 3, padding=1), (4, 4, 5, 3)),
    "linear": (nn.Linear(5, 6), (5,)),
    "linear on places": (nn.Linear(5, 6), (3, 2, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_patches_are_what_the_filters_look_at(name: str) -> None:
    layer, shape = LAYERS[name]
    layer, x = layer.double(), draw(2, *shape)
    made = layer(x)
    positions = torch.randperm(count_positions(layer, made), generator=torch.Generator().manual_seed(0))[:11]
    patches = input_patches(layer, x, made, positions)
    weight = layer.weight.unflatten(0, (len(patches), -1)).flatten(2)
    by_patches = (patches @ weight.mT).transpose(0, 1).flatten(1) + layer.bias
    assert relative(output_rows(layer, made, positions), by_patches) < 1e-12
