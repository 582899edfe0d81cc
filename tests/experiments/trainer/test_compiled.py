"""What a C++ compiler makes of a pruned network's step is the step. Compiles for half a minute."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import pruning
from experiments.trainer.execution import choose_execution, has_compiler
from pruning.models import resnet

pytestmark = pytest.mark.networks
CPU = torch.device("cpu")


def gradients(network: nn.Module, images: Tensor, precision: str, compiled: bool) -> Tensor:
    """All of them, one after another, of a batch that is laid out as a stage of training does."""
    execution = choose_execution(precision, compiled, CPU, 1)
    network = deepcopy(network).train().to(memory_format=execution.layout)
    call = torch.compile(network, dynamic=False) if execution.compiled else network
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
        logits = call(images.to(memory_format=execution.layout))
    F.cross_entropy(logits.float(), torch.arange(len(images)) % 10).backward()
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])


@pytest.mark.skipif(not has_compiler(), reason="no C++ compiler here")
@pytest.mark.filterwarnings("ignore")  # of what torch's compiler loads
def test_compiled_gradients_of_a_pruned_network_are_as_near_to_float32_as_plain_ones() -> None:
    """torch 2.15: they are not finite in bfloat16 where channels come first (LOG.md)."""
    images = torch.randn(128, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    small = pruning.prune(resnet(20, 10, (3, 32, 32)), images[:1], "l1", macs=0.5).network
    exact = gradients(small, images, "32-true", compiled=False)
    plain, compiled = (
        (gradients(small, images, "bf16-mixed", way) - exact).norm() / exact.norm() for way in (False, True)
    )
    assert compiled < 1.5 * plain < 0.3
