"""What stays, decided at the end of the prune stage; by batches, where the method scores by what they show."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from datamodules.shares import Shard
from experiments.run.context import RunContext
from experiments.system.console import log
from experiments.trainer import ranks
from pruning.graph.tracing import device_of, float_type
from pruning.methods.base import Images, Loss, PruningMethod
from pruning.objectives import CrossEntropy
from pruning.selection import Selection

BATCH = 32  # forward and back, every activation of a large network at 224 x 224 has to fit into memory


@dataclass(frozen=True)
class Chosen:
    selection: Selection
    seconds: float  # of observing and choosing


def select(context: RunContext, method: PruningMethod, learned: nn.Module) -> Chosen:
    """The method's choice, the same in every process; the network is on the CPU before and after."""
    start = time.monotonic()
    if needs_batches(method):
        observe(context, method, learned)
    choice = ranks.check_same_selection(method.select(learned))
    return Chosen(choice, time.monotonic() - start)


def needs_batches(method: PruningMethod) -> bool:
    """Whether somebody has to show it batches: one that trains has met its own."""
    return method.observes and not method.needs_training


def observe(context: RunContext, method: PruningMethod, network: nn.Module) -> None:
    log(f"observe: {context.settings.observe.images} training images")
    network.to(context.device)
    method.observe_batches(network, observed_batches(context, network, ranks.shard(method.reduces)))
    network.cpu()


def observed_batches(context: RunContext, network: nn.Module, shard: Shard) -> Iterator[tuple[Images, Loss]]:
    """A process's share, with the loss of the prune stage; where the network is."""
    device, kind = device_of(network), float_type(network)
    for batch in context.data.sample_batches(context.settings.observe.images):
        images, labels = (part[shard.rank :: shard.world].to(device).split(BATCH) for part in batch)
        for inputs, answers in zip(images, labels, strict=True):
            yield inputs.to(kind), cross_entropy(inputs, answers)


def cross_entropy(images: Tensor, labels: Tensor) -> Loss:
    def loss(logits: Tensor) -> Float[Tensor, ""]:
        return CrossEntropy()(logits, labels, images)

    return loss
