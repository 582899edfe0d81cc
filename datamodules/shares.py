"""Which images make up which batch, and which process gets which of them. `batch` counts all processes together."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True)
class Shard:
    """Where in a training we are: the epoch, and this process among all."""

    epoch: int = 0
    rank: int = 0
    world: int = 1


def train_batches(order: Int[np.ndarray, " n"], batch: int, shard: Shard) -> list[Int[np.ndarray, " _"]]:
    """This process's part of every batch, as large as every other's: the mean over processes is the batch's mean.

    The last, smaller batch is kept; what does not divide evenly over the processes (at most world - 1 images, others
    each epoch) is left out, and so is a last batch of one image per process, of which batch norm has no variance.
    """
    if batch % shard.world:
        raise ValueError(
            f"batch must be a multiple of the number of processes, got batch={batch} over {shard.world} processes: "
            f"set recipe.batch={-(-batch // shard.world) * shard.world}"
        )
    chunks = [order[start : start + batch] for start in range(0, len(order), batch)]
    if len(chunks[-1]) < min(2 * shard.world, batch):
        chunks.pop()
    if not chunks:
        raise ValueError(
            f"{len(order)} training images are too few for {shard.world} processes: give two or more to each"
        )
    return [chunk[: len(chunk) // shard.world * shard.world][shard.rank :: shard.world] for chunk in chunks]


def eval_batches(indices: Int[np.ndarray, " n"], batch: int, shard: Shard) -> list[Int[np.ndarray, " _"]]:
    """This process's share: every image in one process only, none repeated, as many batches in every process.

    Nothing is padded: shares differ by one image at most, and so do the batches that each is cut into.
    """
    if len(indices) < shard.world:
        raise ValueError(
            f"{len(indices)} images cannot be shared by {shard.world} processes: use fewer trainer.devices"
        )
    share = indices[shard.rank :: shard.world]
    largest_share = -(-len(indices) // shard.world)
    batches = min(-(-largest_share // max(1, batch // shard.world)), len(indices) // shard.world)
    return np.array_split(share, batches)
