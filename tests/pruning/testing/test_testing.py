"""What ships for tests of one's own: it passes what is right, fails what is wrong, and names what is asked wrongly."""

import sys

import pytest
import torch
from torch import Tensor, nn

from pruning.budget import PerLayer
from pruning.methods import FilterMethod, Scores
from pruning.selection import Selection
from pruning.testing import SAMPLES, MethodContract, Row, Sample, check_network
from pruning.testing.samples import Chain


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
def test_the_samples_are_pruned_exactly(sample: Sample) -> None:
    check_network(sample.build, torch.randn(1, *sample.image_shape), draws=1)


class Random(Chain):
    """Computes something else each time: no small network is equal to it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.rand(())


def test_a_network_that_computes_something_else_each_time_is_caught() -> None:
    with pytest.raises((AssertionError, ValueError)):
        check_network(Random, torch.randn(1, 3, 8, 8), draws=1)


def test_a_network_of_which_nothing_goes_is_caught() -> None:
    class Fixed(nn.Sequential):
        """Its only filters are its classes."""

    with pytest.raises(AssertionError, match="nothing was cut"):
        check_network(lambda: Fixed(nn.Conv2d(3, 4, 8), nn.Flatten()), torch.randn(1, 3, 8, 8), draws=1)


class Sound(FilterMethod):
    """Keeps the last filters; each class below has one fault."""

    def scores(self, network: nn.Module) -> Scores:
        return self.sum_members(lambda layer: torch.arange(len(network.get_submodule(layer).weight)))


class Drawing(Sound):
    def scores(self, network: nn.Module) -> Scores:
        return self.sum_members(lambda layer: torch.rand(len(network.get_submodule(layer).weight)))


class Short(Sound):
    def select(self, network: nn.Module) -> Selection:
        return self.choose(network, {name: count - 1 for name, count in self.counts.items()})


class Leaving(Sound):
    def attach(self, network: nn.Module, image_shape: tuple[int, int, int], steps: int) -> None:
        super().attach(network, image_shape, steps)
        network.register_buffer("left", torch.zeros(1))


class Changing(Sound):
    @torch.no_grad()
    def steer(self, network: nn.Module) -> None:
        next(network.parameters()).mul_(0.9)


class Remembering(Sound):
    """Its figure is in the method, where no checkpoint finds it."""

    def report(self, network: nn.Module) -> dict[str, float]:
        self.reported = getattr(self, "reported", 0.0) + next(network.parameters()).sum().item()
        return {"sum": self.reported + id(self)}


class Untold(Sound):
    needs_training = True


FAULTS = {
    Drawing: "test_select_twice_is_the_same_and_changes_nothing",
    Short: "test_the_budget_is_met_exactly_and_no_layer_is_emptied",
    Leaving: "test_attach_changes_no_output_and_detach_restores_everything",
    Changing: "test_steer_moves_gates_and_adds_the_penalty_and_nothing_else",
    Remembering: "test_a_state_saved_half_way_gives_the_same_selection",
}


@pytest.mark.parametrize(("kind", "test"), FAULTS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_each_fault_is_caught_by_its_test(kind: type[Sound], test: str) -> None:
    getattr(MethodContract(), test)(Row(lambda ratio: Sound(PerLayer(ratio))), SAMPLES["chain"])
    with pytest.raises(AssertionError):
        getattr(MethodContract(), test)(Row(lambda ratio: kind(PerLayer(ratio))), SAMPLES["chain"])


def test_a_row_that_hides_what_it_needs_is_caught() -> None:
    with pytest.raises(AssertionError):
        MethodContract().test_what_a_method_needs_is_refused_where_it_is_missing(
            Row(lambda ratio: Untold(PerLayer(ratio)))
        )


def test_what_a_row_is_asked_wrongly_is_named() -> None:
    with pytest.raises(ValueError, match="counts must be one of rows, columns, none, got 'filters'"):
        Row(lambda ratio: Sound(PerLayer(ratio)), "filters")
    with pytest.raises(ValueError, match="needs must be a tuple of norm, data, training, got \\('norms',\\)"):
        Row(lambda ratio: Sound(PerLayer(ratio)), needs=("norms",))


def test_a_contract_without_rows_says_so() -> None:
    with pytest.raises(ValueError, match=r"TestNothing has no rows: rows = \{"):
        type("TestNothing", (MethodContract,), {})


def test_without_pytest_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pruning.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(ImportError, match="needs pytest: pip install pytest"):
        __import__("pruning.testing")
