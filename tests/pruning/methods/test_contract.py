"""What every method promises on every network."""

import copy
import warnings
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from pruning.budget.targets import PerLayer, count_kept
from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.methods.base import PruningMethod
from pruning.methods.random import Random
from pruning.selection import Selection, convolutions
from pruning.surgery import compact
from support.promise import assert_small_is_masked, images
from support.rows import METHODS, SHAPES, STEPS, disturb, network


@pytest.fixture(params=METHODS)
def row(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=SHAPES)
def plain(request: pytest.FixtureRequest) -> str:
    return request.param


def attached(row: str, plain: str, ratio: float = 0.5) -> tuple[PruningMethod, nn.Module]:
    method, whole = METHODS[row].of(ratio), network(plain)
    method.attach(whole, SHAPES[plain], STEPS)
    return method, whole


def state(whole: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in whole.state_dict().items()}


def detached(method: PruningMethod, whole: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a method may complain that it was stopped half-way
        method.detach(whole)
    return whole


def test_attach_changes_no_output_and_detach_restores_everything(row: str, plain: str) -> None:
    before, batch = network(plain), images(SHAPES[plain]).float()
    method, whole = attached(row, plain)
    assert torch.equal(before(batch), whole(batch))
    detached(method, whole)
    assert torch.equal(before(batch), whole(batch))
    for listed in (nn.Module.named_parameters, nn.Module.named_buffers):
        ours, theirs = list(listed(before)), list(listed(whole))
        assert [name for name, _ in ours] == [name for name, _ in theirs]
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True))
    kinds = [[(name, type(module)) for name, module in each.named_modules()] for each in (before, whole)]
    assert kinds[0] == kinds[1]


def test_the_budget_is_met_exactly_and_no_layer_is_emptied(row: str, plain: str) -> None:
    method, whole = attached(row, plain)
    disturb(whole)
    choice = method.select(whole)
    assert list(choice) == list(convolutions(network(plain)))
    touched = {name: kernels for name, kernels in choice.items() if not kernels.all()}
    assert bool(touched) == (METHODS[row].counts != "none")
    rows = {name: int(kernels.any(1).sum()) for name, kernels in touched.items()}
    if METHODS[row].counts == "rows":
        short = {name: count for name, count in rows.items() if count < len(touched[name])}
        assert short == {name: count_kept(len(touched[name]), 0.5) for name in short}
        assert short
    if METHODS[row].counts == "columns":
        assert rows == {name: len(kernels) for name, kernels in touched.items()}
        assert all((kernels.sum(1) == count_kept(kernels.shape[1], 0.5)).all() for kernels in touched.values())
    analyse(trace(network(plain), SHAPES[plain]), choice)  # refuses emptied layers


def test_select_twice_is_the_same_and_changes_nothing(row: str, plain: str) -> None:
    method, whole = attached(row, plain)
    disturb(whole)
    before = state(whole)
    assert method.select(whole) == method.select(whole)
    after = whole.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_small_is_masked(row: str, plain: str) -> None:
    method, whole = attached(row, plain)
    disturb(whole)
    choice = method.select(whole)
    assert_small_is_masked(detached(method, whole).double(), choice, SHAPES[plain])


def test_a_state_saved_half_way_gives_the_same_selection(row: str, plain: str) -> None:
    method, whole = attached(row, plain)
    disturb(whole)
    fresh_method, fresh = attached(row, plain)
    fresh.load_state_dict(state(whole))
    assert fresh_method.select(fresh) == method.select(whole)
    assert fresh_method.report(fresh) == method.report(whole)


def test_steer_moves_its_own_gates_only_and_leaves_them_to_no_optimiser(row: str, plain: str) -> None:
    method, whole = METHODS[row].of(0.5), network(plain)
    weights = set(whole.parameters())
    method.attach(whole, SHAPES[plain], STEPS)
    assert weights <= set(whole.parameters()), "an optimiser that holds them would train others"
    whole(images(SHAPES[plain]).float()).square().sum().backward()
    before = {name: parameter.grad.clone() for name, parameter in whole.named_parameters()}
    values = state(whole)
    method.steer(whole)
    for name, parameter in whole.named_parameters():
        if parameter in weights:
            assert torch.equal(parameter, values[name]), name
            assert torch.equal(parameter.grad, before[name]), name
        else:
            assert not torch.equal(parameter, values[name]), name
            assert parameter.grad is None, name


def test_a_life_of_a_few_steps(row: str, plain: str) -> None:
    method, whole = attached(row, plain)
    whole.train()
    optimiser = torch.optim.SGD(whole.parameters(), lr=1e-4)
    for seed in range(2):
        optimiser.zero_grad()
        whole(images(SHAPES[plain], seed=seed).float()).square().mean().backward()
        method.steer(whole)
        optimiser.step()
        method.settle(whole)
    assert all(torch.isfinite(value).all() for value in whole.state_dict().values())
    assert all(isinstance(figure, float) for figure in method.report(whole).values())
    assert method.select(copy.deepcopy(whole)) == method.select(whole)


def test_ratio_zero_selects_everything_and_compaction_is_the_identity(row: str, plain: str) -> None:
    method, whole = attached(row, plain, ratio=0.0)
    choice, batch = method.select(whole), images(SHAPES[plain]).float()
    assert choice == Selection.full(network(plain))
    same = compact(detached(method, whole), choice, SHAPES[plain])
    assert torch.equal(same(batch), network(plain)(batch))


class Learner(Random):  # type: ignore[misc]
    """A user's own method, which has not thought of it."""

    needs_training = True


def test_a_method_that_learns_refuses_a_stage_of_no_steps(row: str) -> None:
    for method in (METHODS[row].of(0.5), Learner(PerLayer(0.5), seed=0)):
        whole = network("chain")
        if method.needs_training:
            with pytest.raises(ValueError, match=r"recipe\.prune\.epochs=0 leaves it no steps: raise"):
                method.begin_stage(whole, SHAPES["chain"], 0)
            assert list(whole.state_dict()) == list(network("chain").state_dict())
        else:
            method.begin_stage(whole, SHAPES["chain"], 0)


def test_who_learns_from_gradients_refuses_those_of_float16(row: str) -> None:
    method = METHODS[row].of(0.5)
    method.refuse_scaled("bf16-mixed")
    with pytest.raises(ValueError, match=r"16-mixed .* take bf16-mixed") if method.needs_training else nullcontext():
        method.refuse_scaled("16-mixed")


def test_a_layer_that_would_be_emptied_is_refused_before_anything_changes(row: str, plain: str) -> None:
    if METHODS[row].counts == "none":
        pytest.skip("removes nothing")
    whole, method = network(plain), METHODS[row].of(0.999)
    with pytest.raises(ValueError, match="at least one must stay"):
        method.attach(whole, SHAPES[plain], STEPS)
    assert list(whole.state_dict()) == list(network(plain).state_dict())
