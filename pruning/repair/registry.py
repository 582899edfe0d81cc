"""The repairs by name, and several of them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, fx, nn

from pruning.graph.liveness import Liveness
from pruning.repair.fitting import fit_layers
from pruning.repair.merging import merge_filters
from pruning.repair.names import MERGE, describe_repair
from pruning.repair.norms import estimate_norms
from pruning.repair.pairs import Pair, make_pair
from pruning.surgery.compact import build_small

BATCH = 100  # at most, whose statistics a norm averages

Images = Float[Tensor, "images ..."]


@dataclass(frozen=True)
class Repaired:
    """What one repair has mended: how many layers, on how many images, and which layers it had to leave."""

    name: str
    layers: int
    left: tuple[str, ...]
    images: int

    def __str__(self) -> str:
        return describe_repair(self.name, self.layers, self.images, self.left)


def run_bn(pair: Pair, images: Images) -> Repaired:
    batches = images.tensor_split(-(-len(images) // BATCH))
    return Repaired("bn", len(estimate_norms(pair.small, batches)), (), len(images))


def run_ls(pair: Pair, images: Images) -> Repaired:
    fit_layers(pair, images)
    return Repaired("ls", len(pair.layers), pair.left, len(images))


BY_IMAGES: Mapping[str, Callable[[Pair, Images], Repaired]] = {"bn": run_bn, "ls": run_ls}


def repair_network(
    network: nn.Module, after: Liveness, names: Sequence[str], images: Images | None
) -> tuple[fx.GraphModule, tuple[Repaired, ...]]:
    """A small network, built and mended by these repairs in order; the full-size one stays as it is.

    `images`: None where no repair looks at any; on the device of the network, and of its type of number. Where nothing
    was removed nothing is mended, norm statistics neither.
    """
    if all(kernels.all() for kernels in after.selection.values()):
        return build_small(network, after), ()
    start, done = network, []
    if MERGE in names:
        start, merged, left = merge_filters(network, after)
        done.append(Repaired(MERGE, len(merged), tuple(left), 0))
    pair = make_pair(network, start, after)
    for name in names:
        if name in BY_IMAGES:
            assert images is not None
            done.append(BY_IMAGES[name](pair, images))
    return pair.small, tuple(done)
