"""Gradual L1's own promise: through a real fit it keeps exactly L1's filters, and the others have faded out."""

import pytest
import torch

from pruning.budget import PerLayer
from pruning.methods.gates.gate import gate_on
from pruning.methods.gradual import Gradual
from pruning.methods.l1 import L1
from pruning.models import initialise
from pruning.surgery import mask
from pruning.testing import images
from pruning.testing.samples import Chain, Residual
from support.fitting import SHAPE, fit


@pytest.mark.parametrize(("build", "ratio"), [(Residual, 0.5), (Chain, 0.75)])
def test_it_keeps_exactly_the_filters_of_l1_and_the_others_have_faded_out(build: type, ratio: float) -> None:
    """L1's of the network that the stage began with, whatever has become of its weights."""
    network, l1 = initialise(build(), 0), L1(PerLayer(ratio))
    l1.attach(network, SHAPE, 0)
    wanted, method, batch = l1.select(network), Gradual(PerLayer(ratio)), images(SHAPE, 8).float()
    before = next(network.parameters()).detach().clone()
    fit(method, network, epochs=19)  # 152 steps
    assert method.select(network) == wanted
    gates = {name: gate_on(network, target).v.detach() for name, target in method.targets.items()}
    assert all(gates[name][~wanted[name].any(1)].abs().max() < 0.05 for name in gates)
    with torch.no_grad():
        trained = network.eval()(batch)
        method.detach(network)
        torch.testing.assert_close(network(batch), trained)
        cut = mask(network, wanted, SHAPE)(batch)
    assert (cut - trained).abs().max() < 0.05 * trained.abs().max()
    assert not torch.equal(next(network.parameters()), before), "the weights are trained beside the gates"


def test_streams_are_not_gated() -> None:
    with pytest.raises(ValueError, match=r"^Gradual gates every convolution on its own: joined must be expand or keep"):
        Gradual(PerLayer(0.5), joined="couple")
