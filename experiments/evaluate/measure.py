"""One network measured on the test set and on this machine: the figures of the record."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypedDict

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from datamodules.batches import Batch
from experiments.records import record
from pruning.files import bitmap
from pruning.graph.cost import count_bytes, count_macs, count_params, latencies
from pruning.modes import exact_float32
from pruning.surgery import forms

MANY_CLASSES = 100  # from here on top-5 accuracy says something
BATCHES = (1, 64)  # of the latency: one image at a time, and throughput
GAIN = 1.05  # in images a second: what doubling a batch must bring while it does not fill a GPU
MOST_IMAGES = 8192  # of a batch

Images = Float[Tensor, "batch channels height width"]


def measure_all(
    originals: Sequence[nn.Module],
    loader: Iterable[Batch],
    images: Images,
    classes: int,
    device: torch.device,
    form: str,
) -> list[record.Network]:
    """In float32, whatever they were trained in. `images`: some of the data, repeated to fill what is timed, in this
    `form`, all networks by turns; all other figures are those of what is stored."""
    measured = [copy_for_measuring(network, device) for network in originals]
    times = time_networks([forms.to_form(network, form) for network in measured], images.to(device))
    return [
        figures(network, loader, images, classes, device, latency)
        for network, latency in zip(measured, times, strict=True)
    ]


def figures(
    measured: nn.Module,
    loader: Iterable[Batch],
    images: Images,
    classes: int,
    device: torch.device,
    times: dict[str, float],
) -> record.Network:
    _, channels, height, width = images.shape
    answers = accuracy(measured, loader, device)
    return record.Network(
        macs=count_macs(measured, (channels, height, width)),
        params=count_params(measured),
        bytes=count_bytes(measured),
        latency_ms=times,
        **answers.figures(with_top5=classes >= MANY_CLASSES),
    )


def time_networks(timed: Sequence[nn.Module], images: Images) -> list[dict[str, float]]:
    """For each network milliseconds by batch size: on a GPU channels-last, and also a batch that fills it."""
    batches: tuple[int, ...] = BATCHES
    if images.device.type != "cpu":
        timed = [copy.deepcopy(network).to(memory_format=torch.channels_last) for network in timed]  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
        full = batch_that_fills(lambda batch: latencies(timed[:1], repeat_to(images, batch))[0], BATCHES[-1])
        batches = tuple(dict.fromkeys((*BATCHES, full)))
    by_batch = {str(batch): latencies(timed, repeat_to(images, batch)) for batch in batches}
    return [{batch: 1000 * seconds[index] for batch, seconds in by_batch.items()} for index in range(len(timed))]


def batch_that_fills(seconds: Callable[[int], float], batch: int) -> int:
    """The first batch, doubling from `batch`, whose double brings hardly more images a second, or finds no memory."""
    single = seconds(batch)
    while batch < MOST_IMAGES:
        try:
            doubled = seconds(2 * batch)
        except torch.OutOfMemoryError:
            return batch
        if 2 * single < GAIN * doubled:
            return batch
        batch, single = 2 * batch, doubled
    return batch


def choose_form(small: nn.Module, requested: str, images: Images, device: torch.device) -> str:
    """The form to time and to export: `requested`, or what "auto" finds on this device."""
    return (
        forms.fastest_form(copy_for_measuring(small, device), images.to(device))[0]
        if requested == "auto"
        else requested
    )


def copy_for_measuring(network: nn.Module, device: torch.device) -> nn.Module:
    return copy.deepcopy(network).to(device, torch.float32).eval()


class Answers(TypedDict):
    """Of record.Network, all that depends on the weights."""

    accuracy: float
    accuracy_top5: float | None
    tested: int
    answers: str


class Accuracy(NamedTuple):
    top1: float
    top5: float  # 1 with five classes or fewer
    right: Bool[Tensor, " images"]  # by top-1, in the test set's order

    def figures(self, with_top5: bool) -> Answers:
        answers = bitmap.encode(self.right[None].numpy())
        top5 = self.top5 if with_top5 else None
        return Answers(accuracy=self.top1, accuracy_top5=top5, tested=len(self.right), answers=answers)


@exact_float32()
@torch.inference_mode()
def accuracy(network: nn.Module, loader: Iterable[Batch], device: torch.device) -> Accuracy:
    """In float32 that no TF32 rounds."""
    hits = []
    for images, labels in loader:
        logits = network(images.to(device)).cpu()
        hits.append(logits.topk(min(5, logits.shape[1])).indices == labels.cpu()[:, None])
    ranked = torch.cat(hits)
    right, within = ranked[:, 0], ranked.sum(dim=1)
    return Accuracy(right.double().mean().item(), within.double().mean().item(), right)


def repeat_to(images: Images, batch: int) -> Images:
    """In the memory format that the images have on a GPU, and channels first on a CPU."""
    filled = images.repeat(-(-batch // len(images)), 1, 1, 1)[:batch]
    layout = torch.contiguous_format if images.device.type == "cpu" else torch.channels_last
    return filled.contiguous(memory_format=layout)
