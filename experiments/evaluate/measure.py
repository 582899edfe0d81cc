"""One network measured on the test set and on this machine: the figures of the record."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.batches import Batch
from experiments.evaluate.answers import Answers, answer, join
from pruning.graph.cost import count_bytes, count_macs, count_params, latencies
from pruning.modes import exact_float32
from pruning.surgery import forms

BATCHES = (1, 64)  # of the latency: one image at a time, and throughput
GAIN = 1.05  # in images a second: what doubling a batch must bring while it does not fill a GPU
MOST_IMAGES = 8192  # of a batch

Images = Float[Tensor, "batch channels height width"]


class Costs(TypedDict):
    """Of record.Network, all that depends on the shape."""

    macs: int
    params: int
    bytes: int
    latency_ms: dict[str, float]


def measure_costs(originals: Sequence[nn.Module], images: Images, device: torch.device, form: str) -> list[Costs]:
    """`images`: some of the data, repeated to fill what is timed, in this `form` and in float32, all networks by turns;
    what is counted is what is stored."""
    copies = [copy_for_measuring(network, device) for network in originals]
    _, channels, height, width = images.shape
    times = time_networks([forms.to_form(network, form) for network in copies], images.to(device))
    return [
        Costs(
            macs=count_macs(network, (channels, height, width)),
            params=count_params(network),
            bytes=count_bytes(network),
            latency_ms=latency,
        )
        for network, latency in zip(copies, times, strict=True)
    ]


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


@exact_float32()
@torch.inference_mode()
def answers(network: nn.Module, loader: Iterable[Batch], device: torch.device) -> Answers:
    """In float32 that no TF32 rounds, whatever it was trained in; channels-last, which on a core takes 7.3 s instead of
    8.7 s for ResNet-20 and 10,000 images."""
    measured, layout = copy_for_measuring(network, device), torch.channels_last
    measured.to(memory_format=layout)  # type: ignore[call-overload]
    return join(
        answer(measured(images.to(device, memory_format=layout)).cpu(), labels.cpu()) for images, labels in loader
    )


def repeat_to(images: Images, batch: int) -> Images:
    """In the memory format that the images have on a GPU, and channels first on a CPU."""
    filled = images.repeat(-(-batch // len(images)), 1, 1, 1)[:batch]
    layout = torch.contiguous_format if images.device.type == "cpu" else torch.channels_last
    return filled.contiguous(memory_format=layout)
