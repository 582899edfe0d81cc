"""What every pruning method promises, on every network: subclass `MethodContract` with rows of one's own.

from pruning.testing import MethodContract, Row

class TestMine(MethodContract):
    rows = {"median": Row(lambda ratio: Median(PerLayer(ratio)))}
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from pruning.budget.problem import count_kept
from pruning.graph.graph import trace
from pruning.graph.liveness import analyse
from pruning.methods.base import PruningMethod
from pruning.selection import Selection, convolutions
from pruning.surgery import compact
from pruning.testing.equality import assert_small_is_masked, images
from pruning.testing.rows import STEPS, Row, attached, detached, observe
from pruning.testing.samples import SAMPLES, Sample


class MethodContract:
    """Tests of each row on each network that has what it needs.

    `rows`: the methods, by name. `networks`: what they are tried on; small ones of ours, and any of one's own beside.
    """

    rows: ClassVar[Mapping[str, Row]] = {}
    networks: ClassVar[Mapping[str, Sample]] = SAMPLES

    def __init_subclass__(cls) -> None:
        if not cls.rows:
            raise ValueError(f'{cls.__name__} has no rows: rows = {{"mine": Row(lambda ratio: Mine(PerLayer(ratio)))}}')

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "sample" in metafunc.fixturenames:
            pairs = [(r, s) for r in self.rows for s in self.networks if self.rows[r].fits(self.networks[s])]
            values = [(self.rows[row], self.networks[sample]) for row, sample in pairs]
            metafunc.parametrize(("row", "sample"), values, ids=[f"{row}-{sample}" for row, sample in pairs])
        elif "row" in metafunc.fixturenames:
            metafunc.parametrize("row", self.rows.values(), ids=list(self.rows))

    def test_attach_changes_no_output_and_detach_restores_everything(self, row: Row, sample: Sample) -> None:
        before, batch = sample.network(), images(sample.image_shape).float()
        method, whole = attached(row, sample)
        assert torch.equal(before(batch), whole(batch))
        detached(method, whole)
        assert torch.equal(before(batch), whole(batch))
        for listed in (nn.Module.named_parameters, nn.Module.named_buffers):
            ours, theirs = list(listed(before)), list(listed(whole))
            assert [name for name, _ in ours] == [name for name, _ in theirs]
            assert all(torch.equal(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True))
        kinds = [[(name, type(module)) for name, module in each.named_modules()] for each in (before, whole)]
        assert kinds[0] == kinds[1]

    def test_the_budget_is_met_exactly_and_no_layer_is_emptied(self, row: Row, sample: Sample) -> None:
        method, whole = attached(row, sample)
        disturb(whole)
        choice = method.select(whole)
        assert list(choice) == list(convolutions(sample.network()))
        touched = {name: kernels for name, kernels in choice.items() if not kernels.all()}
        assert bool(touched) == (row.counts != "none")
        rows = {name: int(kernels.any(1).sum()) for name, kernels in touched.items()}
        if row.counts == "rows":
            short = {name: count for name, count in rows.items() if count < len(touched[name])}
            assert short == {name: count_kept(len(touched[name]), 0.5) for name in short}
            assert short
        if row.counts == "columns":
            assert rows == {name: len(kernels) for name, kernels in touched.items()}
            assert all((kernels.sum(1) == count_kept(kernels.shape[1], 0.5)).all() for kernels in touched.values())
        analyse(trace(sample.network(), sample.image_shape), choice)  # refuses emptied layers

    def test_select_twice_is_the_same_and_changes_nothing(self, row: Row, sample: Sample) -> None:
        method, whole = attached(row, sample)
        disturb(whole)
        before = state(whole)
        assert method.select(whole) == method.select(whole)
        assert_unchanged(whole, before)

    def test_small_is_masked(self, row: Row, sample: Sample) -> None:
        method, whole = attached(row, sample)
        disturb(whole)
        choice = method.select(whole)
        assert_small_is_masked(detached(method, whole).double(), choice, sample.image_shape)

    def test_a_state_saved_half_way_gives_the_same_selection(self, row: Row, sample: Sample) -> None:
        method, whole = attached(row, sample)
        disturb(whole)
        fresh_method, fresh = attached(row, sample)
        fresh.load_state_dict(state(whole))
        assert fresh_method.select(fresh) == method.select(whole)
        assert fresh_method.report(fresh) == method.report(whole)

    def test_steer_moves_gates_and_adds_the_penalty_and_nothing_else(self, row: Row, sample: Sample) -> None:
        method, whole = row.build(0.5), sample.network()
        weights = set(whole.parameters())
        method.attach(whole, sample.image_shape, STEPS)
        assert weights <= set(whole.parameters()), "an optimiser that holds them would train others"
        whole(images(sample.image_shape).float()).square().sum().backward()
        expected = gradients_with_penalty(method, whole)
        values = state(whole)
        method.steer(whole)
        for name, parameter in whole.named_parameters():
            if parameter in weights:
                assert torch.equal(parameter, values[name]), name
                torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-6, atol=0, msg=name)
            else:
                assert not torch.equal(parameter, values[name]), f"no optimiser knows {name}: steer has to move it"
                assert parameter.grad is None, f"{name} is moved: its gradient is used up"

    def test_a_life_of_a_few_steps(self, row: Row, sample: Sample) -> None:
        method, whole = attached(row, sample)
        whole.train()
        optimiser = torch.optim.SGD(whole.parameters(), lr=1e-4)
        for epoch in range(2):
            optimiser.zero_grad()
            whole(images(sample.image_shape, seed=epoch).float()).square().mean().backward()
            method.steer(whole)
            optimiser.step()
            method.settle(whole)
            method.end_epoch(whole, epoch)
        assert all(torch.isfinite(value).all() for value in whole.state_dict().values())
        assert all(isinstance(figure, float) for figure in method.report(whole).values())
        assert method.select(copy.deepcopy(whole)) == method.select(whole)

    def test_ratio_zero_selects_everything_and_compaction_is_the_identity(self, row: Row, sample: Sample) -> None:
        method, whole = attached(row, sample, ratio=0.0)
        choice, batch = method.select(whole), images(sample.image_shape).float()
        assert choice == Selection.full(sample.network())
        same = compact(detached(method, whole), choice, sample.image_shape)
        assert torch.equal(same(batch), sample.network()(batch))

    def test_a_layer_that_would_be_emptied_is_refused_before_anything_changes(self, row: Row, sample: Sample) -> None:
        if row.counts == "none":
            pytest.skip("removes nothing")
        whole = sample.network()
        with pytest.raises(ValueError, match="at least one must stay"):
            row.build(0.999).attach(whole, sample.image_shape, STEPS)
        assert_unchanged(whole, sample.network().state_dict())

    def test_what_a_method_needs_is_refused_where_it_is_missing(self, row: Row) -> None:
        fitting = [sample for sample in self.networks.values() if row.fits(sample)]
        for sample in self.networks.values():
            if sample not in fitting:
                assert_refused(row.build(0.5), sample, STEPS)
        method = row.build(0.5)
        assert method.needs_training == ("training" in row.needs)
        if method.needs_training:
            assert_refused(method, fitting[0], steps=0)
        elif "data" in row.needs:
            whole = fitting[0].network()
            method.begin_stage(whole, fitting[0].image_shape, 0)
            with pytest.raises(ValueError, match="data"):
                method.select(whole)
            assert_observing_changes_nothing(method, whole.train(), fitting[0])
        else:
            method.begin_stage(fitting[0].network(), fitting[0].image_shape, 0)


def gradients_with_penalty(method: PruningMethod, whole: nn.Module) -> dict[str, Tensor]:
    """Of every parameter, after a backward: its own and that of the method's penalty."""
    named, penalty = dict(whole.named_parameters()), method.penalty(whole)
    own = {name: parameter.grad.clone() for name, parameter in named.items() if parameter.grad is not None}
    if penalty is None:
        return own
    more = torch.autograd.grad(penalty, list(named.values()), allow_unused=True, materialize_grads=True)
    return {name: own[name] + gradient for (name, gradient) in zip(named, more, strict=True) if name in own}


@torch.no_grad()
def disturb(whole: nn.Module) -> None:
    """As if training had moved every weight and every gate."""
    draws = torch.Generator().manual_seed(1)
    for parameter in whole.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=draws) * parameter.abs().mean(), alpha=0.2)


def state(whole: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in whole.state_dict().items()}


def assert_unchanged(whole: nn.Module, before: Mapping[str, Tensor]) -> None:
    after = whole.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def assert_refused(method: PruningMethod, sample: Sample, steps: int) -> None:
    whole = sample.network()
    with pytest.raises(ValueError, match=r"\w"):
        method.begin_stage(whole, sample.image_shape, steps)
    assert_unchanged(whole, sample.network().state_dict())


def assert_observing_changes_nothing(method: PruningMethod, whole: nn.Module, sample: Sample) -> None:
    before = state(whole)
    observe(method, whole, sample)
    assert_unchanged(whole, before)
    assert all(parameter.grad is None for parameter in whole.parameters())
    assert all(module.training for module in whole.modules())
