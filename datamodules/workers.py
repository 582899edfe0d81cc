"""The loader of large images: worker processes decode, transform and stack bytes; the device normalises."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from datamodules.batches import Batch, EpochLoader
from datamodules.crops import Normalise
from datamodules.decode import BrokenImageError, decode_planes
from datamodules.draws import Purpose, draw
from datamodules.sources import Source
from datamodules.views import Views

PREFETCH = 4  # batches ahead, for each worker
PLAIN = -1  # instead of a seed or an epoch: the middle of the image

log = logging.getLogger(__name__)

Key = tuple[int, int]  # the view's seed, image


class Item(NamedTuple):
    """An image, or in its place why there is none; an exception would reach the main process wrapped in a traceback."""

    pixels: UInt8[Tensor, "h w 3"] | None
    label: int
    broken: str = ""


class Stack(NamedTuple):
    pixels: UInt8[Tensor, "b h w 3"]
    labels: Int[Tensor, " b"]
    broken: list[str]


class Images(Dataset[Item]):
    """Decoded, transformed images by (seed, number)."""

    def __init__(self, source: Source, views: Views) -> None:
        self.source, self.views = source, views

    def __getitem__(self, key: Key) -> Item:
        seed, index = key
        label = int(self.source.labels[index])
        try:
            planes = decode_planes(self.source.read(index), self.source.name(index))
        except BrokenImageError as error:
            return Item(None, label, str(error))
        shown = self.views.middle(planes) if seed == PLAIN else self.views.random(planes, seed)
        return Item(shown.permute(1, 2, 0).contiguous(), label)


def stack(items: list[Item]) -> Stack:
    whole = [item for item in items if item.pixels is not None]
    pixels = default_collate([item.pixels for item in whole]) if whole else torch.empty(0)  # stacks in shared memory
    return Stack(pixels, torch.tensor([item.label for item in whole]), [item.broken for item in items if item.broken])


class _Schedule:
    """The batches the workers are asked for; set anew for each pass, since the workers stay."""

    def __init__(self) -> None:
        self.batches: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


@final
class Pool:
    """Worker processes that outlive the epoch. None at all: the main process does the work."""

    def __init__(self, images: Images, workers: int, pin: bool) -> None:
        self._schedule = _Schedule()
        self._loader: DataLoader[Item] = DataLoader(
            images,
            batch_sampler=self._schedule,  # type: ignore[arg-type]
            num_workers=workers,
            collate_fn=stack,
            pin_memory=pin,
            persistent_workers=workers > 0,
            prefetch_factor=PREFETCH if workers else None,
            generator=torch.Generator(),  # else each pass would advance the generator that dropout uses
        )

    def run(self, batches: list[list[Key]]) -> Iterator[Stack]:
        self._schedule.batches = batches
        yield from self._loader

    def close(self) -> None:
        """Now: workers that are left to the garbage collector can take seconds to be waited for."""
        passing, self._loader._iterator = self._loader._iterator, None
        if isinstance(passing, _MultiProcessingDataLoaderIter):
            passing._shutdown_workers()


@dataclass
class Tolerance:
    """What to do about broken images: refuse the first, or leave them out, name them in `seen`, up to `most`."""

    skip: bool
    most: int
    seen: set[str] = field(default_factory=set)
    told: int = 0

    def accept(self, broken: list[str], left: int) -> None:
        if broken and not self.skip:
            raise BrokenImageError(f"{broken[0]}; data.skip_broken=true leaves such images out")
        self.seen.update(broken)
        if len(self.seen) > self.most or not left:
            raise BrokenImageError(
                f"{len(self.seen)} broken images, {left} good ones left in the last batch, more than data.skip_broken "
                f"allows ({self.most}), one of them: {broken[0]}"
            )

    def report(self) -> None:
        """At the end of a pass, if more were left out than was known."""
        if len(self.seen) > self.told:
            self.told = len(self.seen)
            log.warning("%d broken images left out so far, one of them: %s", self.told, min(self.seen))


@final
class WorkerLoader(EpochLoader):
    """`epoch` PLAIN: images as they are, otherwise views that are a pure function of (seed, epoch, index)."""

    def __init__(
        self,
        pool: Pool,
        normalise: Normalise,
        tolerance: Tolerance,
        device: torch.device,
        batches: list[Int[np.ndarray, " _"]],
        seed: int,
        epoch: int = PLAIN,
    ) -> None:
        super().__init__(batches, epoch)
        self._seed = seed
        self._pool, self._normalise, self._tolerance, self._device = pool, normalise, tolerance, device

    def deliver(self, batches: list[Int[np.ndarray, " _"]]) -> Iterator[Batch]:
        for left, (pixels, labels, broken) in zip(
            reversed(range(len(batches))), self._pool.run([self._keys(batch) for batch in batches]), strict=True
        ):
            self._tolerance.accept(broken, len(labels))
            if not left:  # now: who knows the number of batches does not ask for one more
                self._tolerance.report()
            rows = pixels.to(self._device, non_blocking=True).flatten(2)
            yield self._normalise(rows), labels.to(self._device, non_blocking=True)

    def _keys(self, images: Int[np.ndarray, " b"]) -> list[Key]:
        numbers = images.tolist()
        if self.epoch == PLAIN:
            return [(PLAIN, number) for number in numbers]
        seeds = draw(self._seed, self.epoch, Purpose.TRANSFORM, images) >> np.uint64(1)  # torch takes 63 bits
        return list(zip(seeds.tolist(), numbers, strict=True))


def spare_cores(processes: int) -> int:
    """The cores this process may use, shared with the other processes of this machine."""
    return max(1, len(os.sched_getaffinity(0)) // processes)
