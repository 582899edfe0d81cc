"""One network measured on the test set and on this machine: the figures of the record."""

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from experiments import record
from pruning.cost import count_bytes, count_macs, count_params, latency
from pruning.surgery import forms

MANY_CLASSES = 100  # from here on top-5 accuracy says something
BATCHES = (1, 64)  # of the latency: one image at a time, and throughput

Images = Float[Tensor, "batch channels height width"]


def network(
    given: nn.Module, loader: Any, images: Images, classes: int, device: torch.device, form: str
) -> record.Network:
    """In float32, whatever it was trained in. `images`: some of the data, repeated to fill what is timed, in this
    `form`; all other figures are those of what is stored."""
    measured = copied(given, device)
    timed = forms.in_form(measured, form)
    _, channels, height, width = images.shape
    top1, top5 = accuracy(measured, loader, device)
    return record.Network(
        accuracy=top1,
        accuracy_top5=top5 if classes >= MANY_CLASSES else None,
        macs=count_macs(measured, (channels, height, width)),
        params=count_params(measured),
        bytes=count_bytes(measured),
        latency_ms={str(batch): 1000 * latency(timed, fill(images, batch).to(device)) for batch in BATCHES},
    )


def form(small: nn.Module, asked: str, images: Images, device: torch.device) -> str:
    """The form to time and to export: `asked`, or what "auto" finds on this device."""
    return forms.fastest(copied(small, device), images.to(device))[0] if asked == "auto" else asked


def copied(network: nn.Module, device: torch.device) -> nn.Module:
    return copy.deepcopy(network).to(device, torch.float32).eval()


@torch.inference_mode()
def accuracy(network: nn.Module, loader: Any, device: torch.device) -> tuple[float, float]:
    """Top-1 and top-5 (the latter 1 with five classes or fewer)."""
    hits = []
    for images, labels in loader:
        logits = network(images.to(device)).cpu()
        hits.append(logits.topk(min(5, logits.shape[1])).indices == labels.cpu()[:, None])
    found = torch.cat(hits).double()
    return found[:, 0].mean().item(), found.sum(dim=1).mean().item()


def fill(images: Images, batch: int) -> Images:
    return images.repeat(-(-batch // len(images)), 1, 1, 1)[:batch].contiguous()
