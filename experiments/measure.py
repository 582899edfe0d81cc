"""One network measured on the test set and on this machine: the figures of the record."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from experiments import record
from pruning import bitmap
from pruning.cost import count_bytes, count_macs, count_params, latencies
from pruning.surgery import forms

MANY_CLASSES = 100  # from here on top-5 accuracy says something
BATCHES = (1, 64)  # of the latency: one image at a time, and throughput

Images = Float[Tensor, "batch channels height width"]


def networks(
    given: Sequence[nn.Module], loader: Any, images: Images, classes: int, device: torch.device, form: str
) -> list[record.Network]:
    """In float32, whatever they were trained in. `images`: some of the data, repeated to fill what is timed, in this
    `form`, all networks by turns; all other figures are those of what is stored."""
    measured = [copied(each, device) for each in given]
    times = timed([forms.in_form(each, form) for each in measured], images.to(device))
    return [figures(each, loader, images, classes, device, taken) for each, taken in zip(measured, times, strict=True)]


def figures(
    measured: nn.Module, loader: Any, images: Images, classes: int, device: torch.device, times: dict[str, float]
) -> record.Network:
    _, channels, height, width = images.shape
    found = accuracy(measured, loader, device)
    return record.Network(
        macs=count_macs(measured, (channels, height, width)),
        params=count_params(measured),
        bytes=count_bytes(measured),
        latency_ms=times,
        **found.figures(with_top5=classes >= MANY_CLASSES),
    )


def timed(given: Sequence[nn.Module], images: Images) -> list[dict[str, float]]:
    """For each network milliseconds by batch size."""
    found = {str(batch): latencies(given, fill(images, batch)) for batch in BATCHES}
    return [{batch: 1000 * seconds[place] for batch, seconds in found.items()} for place in range(len(given))]


def form(small: nn.Module, asked: str, images: Images, device: torch.device) -> str:
    """The form to time and to export: `asked`, or what "auto" finds on this device."""
    return forms.fastest(copied(small, device), images.to(device))[0] if asked == "auto" else asked


def copied(network: nn.Module, device: torch.device) -> nn.Module:
    return copy.deepcopy(network).to(device, torch.float32).eval()


class Accuracy(NamedTuple):
    top1: float
    top5: float  # 1 with five classes or fewer
    right: Bool[Tensor, " images"]  # by top-1, in the test set's order

    def figures(self, with_top5: bool) -> dict[str, Any]:
        """Of record.Network, all that depends on the weights."""
        answers = bitmap.encode(self.right[None].numpy())
        top5 = self.top5 if with_top5 else None
        return {"accuracy": self.top1, "accuracy_top5": top5, "tested": len(self.right), "answers": answers}


@torch.inference_mode()
def accuracy(network: nn.Module, loader: Any, device: torch.device) -> Accuracy:
    hits = []
    for images, labels in loader:
        logits = network(images.to(device)).cpu()
        hits.append(logits.topk(min(5, logits.shape[1])).indices == labels.cpu()[:, None])
    found = torch.cat(hits)
    right, within = found[:, 0], found.sum(dim=1)
    return Accuracy(right.double().mean().item(), within.double().mean().item(), right)


def fill(images: Images, batch: int) -> Images:
    return images.repeat(-(-batch // len(images)), 1, 1, 1)[:batch].contiguous()
