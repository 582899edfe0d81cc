"""A machine on which a network takes a nanosecond for each MAC, for budgets of time that hang on no clock."""

from typing import Any

from torch import nn

from pruning.deploy.latency import Latency
from pruning.deploy.stopwatch import Paired
from pruning.graph.cost import count_macs
from pruning.timing import Ratio

KNOWN_TO = 0.004


class CountedTimer:
    """A timer of one's own, as `Latency` takes it. `timed`: how many networks it has seen."""

    def __init__(self, half_width: float = KNOWN_TO) -> None:
        self.half_width, self.timed = half_width, 0

    def __call__(self, dense: nn.Module, small: nn.Module, shape: tuple[int, int, int]) -> Paired:
        self.timed += 1
        whole, left = (count_macs(network, shape) for network in (dense, small))
        return Paired(whole / 1e6, Ratio(left / whole, self.half_width * left / whole))


TIMER = CountedTimer()


def counted(**arguments: Any) -> Latency:
    """For `budget._target_=support.timers.counted`."""
    return Latency(timer=TIMER, **arguments)
