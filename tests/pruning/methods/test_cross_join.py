"""What the drop across joins is worth (METHODS section 1). The papers' tables: tests/experiments/test_published.py."""

import pytest

from pruning.budget.targets import PerLayer
from pruning.graph.cost import predict
from pruning.graph.liveness import analyse
from pruning.methods.filters import FilterMethod
from pruning.methods.l1 import L1
from pruning.models import resnet
from pruning.selection import Selection
from support.rows import fcf

SHAPE = (3, 32, 32)


def macs_cut(method: FilterMethod) -> float:
    """In percent, on ResNet-56 with projection shortcuts."""
    network = resnet(56, 10, SHAPE, "B")
    method.attach(network, SHAPE, 1000)
    after, before = (predict(analyse(method.graph, s)).macs for s in (method.select(network), Selection({})))
    return 100 * (1 - after / before)


def test_how_much_the_drop_across_joins_is_worth() -> None:
    """ResNet-56 at .25 [computed]: 43.2 % of convolution MACs with it, 34.4 % without, 24.9 % on first ones only."""
    assert macs_cut(fcf(0.25)) == pytest.approx(43.2, abs=0.1)
    assert macs_cut(L1(PerLayer(0.25), joined="expand")) == pytest.approx(34.4, abs=0.1)
    assert macs_cut(L1(PerLayer(0.25))) == pytest.approx(24.9, abs=0.1)
