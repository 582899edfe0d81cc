"""How a network is run for a while, and that all is as before afterwards."""

import torch

from pruning.modes import deterministic_algorithms


def state() -> tuple[bool, ...]:
    cudnn = torch.backends.cudnn
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
    )


def test_repeatable_is_for_a_while_and_where_it_is_wanted() -> None:
    before = state()
    with deterministic_algorithms(False):
        assert state() == before
    with deterministic_algorithms(True):
        assert state() == (True, True, True, False)
    assert state() == before
