"""The loader of large images: worker processes decode, transform and stack bytes; the device normalises."""

import math
import os
import signal
from collections.abc import Iterator
from multiprocessing.util import Finalize
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from datamodules.batches import Batch, EpochLoader
from datamodules.counter_rng import Purpose, draw
from datamodules.crops import Normalise
from datamodules.decode import BrokenImageError, decode_planes
from datamodules.shared_memory import free_bytes, plan_workers
from datamodules.sources import Source
from datamodules.tolerance import Tolerance
from datamodules.views import Views

PLAIN = -1  # instead of a seed or an epoch: the middle of the image
BEFORE_QUEUES = 11  # at exit Python closes queues at 10, then ends workers by SIGTERM and waits for them

Key = tuple[int, int]  # the view's seed, image


class Request(NamedTuple):
    slot: int
    keys: list[Key]


class Answer(NamedTuple):
    """The labels of a slot's images, and why others are missing: an exception would come wrapped in a traceback."""

    slot: int
    labels: list[int]
    broken: list[str]


class Images(Dataset[Answer]):
    """Batches of decoded, transformed images, written into slots of shared memory that stay: the first touch of fresh
    memory would cost a tenth of the decoding.
    """

    def __init__(self, source: Source, views: Views, upright: bool, slots: UInt8[Tensor, "slots b h w 3"]) -> None:
        self.source, self.views, self.upright, self.slots = source, views, upright, slots

    def __getitem__(self, request: Request) -> Answer:
        answer = Answer(request.slot, [], [])
        for seed, index in request.keys:
            try:
                planes = decode_planes(self.source.read(index), self.source.name(index), self.upright)
            except BrokenImageError as error:
                answer.broken.append(str(error))
                continue
            view = self.views.middle_view(planes) if seed == PLAIN else self.views.random_view(planes, seed)
            self.slots[request.slot, len(answer.labels)] = view.permute(1, 2, 0)
            answer.labels.append(int(self.source.labels[index]))
        return answer


class _Schedule:
    """What the workers are asked for; set anew for each pass, since the workers stay."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)

    def __len__(self) -> int:
        return len(self.requests)


class Stack(NamedTuple):
    pixels: UInt8[Tensor, "b h w 3"]
    labels: Int[Tensor, " b"]
    broken: list[str]


@final
class Pool:
    """Worker processes that outlive the epoch, `largest` images a batch at most. None at all: the main process does
    the work; of those asked for as many as shared memory has room for. `upright`: images are turned as their camera
    says. `processes`: of this run on this machine, each with pools of its own.
    """

    def __init__(self, source: Source, views: Views, workers: int, largest: int, upright: bool, processes: int) -> None:
        shape = (largest, views.size, views.size, 3)
        usable, ahead = plan_workers(workers, math.prod(shape), free_bytes(), processes)
        slots = usable * ahead + 1  # those ahead may be written to while one more is read
        self._slots = _allocate_shared(slots, *shape) if usable else torch.empty(slots, *shape, dtype=torch.uint8)
        self._schedule = _Schedule()
        self._loader: DataLoader[Answer] = DataLoader(
            Images(source, views, upright, self._slots),
            batch_size=None,  # a request is a batch
            sampler=self._schedule,
            num_workers=usable,
            persistent_workers=usable > 0,
            prefetch_factor=ahead or None,
            worker_init_fn=_ignore_signals if usable else None,
            generator=torch.Generator(),  # else each pass would advance the generator that dropout uses
        )
        Finalize(self, _stop_workers, (self._loader,), exitpriority=BEFORE_QUEUES)

    def run(self, batches: list[list[Key]]) -> Iterator[Stack]:
        """Pixels are to be read before the next batch is asked for."""
        self._schedule.requests = [Request(number % len(self._slots), keys) for number, keys in enumerate(batches)]
        for slot, labels, broken in self._loader:
            yield Stack(self._slots[slot, : len(labels)], torch.tensor(labels, dtype=torch.int64), broken)

    def close(self) -> None:
        """Now: workers that are left to the garbage collector can take seconds to be waited for."""
        _stop_workers(self._loader)


def _stop_workers(loader: DataLoader[Answer]) -> None:
    iterator, loader._iterator = loader._iterator, None
    if isinstance(iterator, _MultiProcessingDataLoaderIter):
        iterator._shutdown_workers()
        for worker in iterator._workers:
            worker.kill()


def _ignore_signals(worker: int) -> None:
    """A cluster asks every process of a job to leave; the main one needs its workers until its next step."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _allocate_shared(*shape: int) -> UInt8[Tensor, " ..."]:
    """Bytes that worker processes share; unlike `share_memory_()` this touches no page before its first use."""
    return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(math.prod(shape))).view(shape)


@final
class WorkerLoader(EpochLoader):
    """`epoch` PLAIN: images as they are, otherwise views that are a pure function of (seed, epoch, index)."""

    def __init__(
        self,
        pool: Pool,
        normalise: Normalise,
        tolerance: Tolerance,
        part: str,
        device: torch.device,
        batches: list[Int[np.ndarray, " _"]],
        seed: int,
        epoch: int = PLAIN,
    ) -> None:
        super().__init__(batches, epoch)
        self._seed = seed
        self._pool, self._normalise, self._device = pool, normalise, device
        self._tolerance, self._part = tolerance, part

    def deliver(self, batches: list[Int[np.ndarray, " _"]]) -> Iterator[Batch]:
        for left, (pixels, labels, broken) in zip(
            reversed(range(len(batches))), self._pool.run([self._keys(batch) for batch in batches]), strict=True
        ):
            self._tolerance.accept(self._part, broken, len(labels))
            if not left:  # now: who knows the number of batches does not ask for one more
                self._tolerance.report()
            rows = self._to_device(pixels).flatten(2)
            yield self._normalise(rows), self._to_device(labels)

    def _to_device(self, values: Tensor) -> Tensor:
        """To a GPU from pinned memory, so that nobody waits for the copy."""
        ready = values.pin_memory() if self._device.type == "cuda" else values
        return ready.to(self._device, non_blocking=True)

    def _keys(self, images: Int[np.ndarray, " b"]) -> list[Key]:
        numbers = images.tolist()
        if self.epoch == PLAIN:
            return [(PLAIN, number) for number in numbers]
        seeds = draw(self._seed, self.epoch, Purpose.TRANSFORM, images) >> np.uint64(1)  # torch takes 63 bits
        return list(zip(seeds.tolist(), numbers, strict=True))


def available_cores(processes: int) -> int:
    """The cores this process may use, shared with the other processes of this machine."""
    return max(1, len(os.sched_getaffinity(0)) // processes)
