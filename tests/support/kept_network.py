"""A small pruned network as it is kept in a folder."""

import torch
from torch import nn

from pruning.models import Origin, registry
from pruning.pruned import Preprocessing, Pruned
from pruning.selection import Selection, convolutions
from pruning.surgery import compact

SHAPE = (3, 32, 32)
CLASSES = ("cat", "dog", "<script>alert(1)</script>")
RESNET = Origin("resnet", {"depth": 8, "shortcut": "A"})


def half(network: nn.Module, patterned: bool) -> Selection:
    """Every other filter of the first layers of blocks; or, of their two halves, the two halves of the columns."""
    masks = {}
    for name, conv in convolutions(network).items():
        kept = torch.ones(conv.weight.shape[:2], dtype=torch.bool)
        rows, columns = kept.shape
        if name.endswith("conv1") and "." in name:
            kept[1::2] = False
        elif patterned and name.endswith("conv2"):
            kept[: rows // 2, : columns // 2] = kept[rows // 2 :, columns // 2 :] = False
        masks[name] = kept
    return Selection(masks)


def pruned(origin: Origin, image_shape: tuple[int, int, int], patterned: bool = False) -> Pruned:
    dense = registry.BUILDERS[origin.builder](classes=len(CLASSES), image_shape=image_shape, **origin.arguments)
    for value in dense.buffers():  # as after training
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    choice = half(dense, patterned)
    small = compact(dense, choice, image_shape).eval()
    return Pruned(small, choice, origin, image_shape, CLASSES, Preprocessing((0.4, 0.5, 0.0), (0.2, 0.3, 1.0)))
