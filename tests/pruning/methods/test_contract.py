"""Our own methods keep the contract that `pruning.testing` ships; and what the base refuses for all."""

from contextlib import nullcontext

import pytest

from pruning.budget import PerLayer
from pruning.methods.random import Random
from pruning.testing import MethodContract
from support.rows import METHODS, NETWORKS, SHAPES, network


class TestOurMethods(MethodContract):
    rows = METHODS
    networks = NETWORKS


class Learner(Random):  # type: ignore[misc]
    """A user's own method, which has not thought of it."""

    needs_training = True


def test_a_method_that_learns_refuses_a_stage_of_no_steps() -> None:
    for method in (METHODS["fcf"].build(0.5), Learner(PerLayer(0.5), seed=0)):
        whole = network("chain")
        with pytest.raises(ValueError, match="steps=0 leaves it no steps: raise"):
            method.begin_stage(whole, SHAPES["chain"], 0)
        assert list(whole.state_dict()) == list(network("chain").state_dict())


@pytest.mark.parametrize("row", METHODS)
def test_who_learns_from_gradients_refuses_those_of_float16(row: str) -> None:
    method = METHODS[row].build(0.5)
    method.refuse_scaled("bf16-mixed")
    with pytest.raises(ValueError, match=r"16-mixed .* take bf16-mixed") if method.needs_training else nullcontext():
        method.refuse_scaled("16-mixed")
