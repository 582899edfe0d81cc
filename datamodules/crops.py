"""Small images kept in memory so that a random crop, mirrored or not, is a gather of contiguous runs of bytes."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor


class Crops:
    """Padded copies of the images, and of their mirror images when asked for; without either, the images themselves.

    Naive indexing of single images costs more than the network of a small run; a row of a crop is one run of 3 * width
    bytes in the padded copy, and `index_select` over all such runs (an overlapping view, no copy) is near memcpy speed.
    Nothing is copied before the first batch: who only asks for the number of batches pays nothing.
    """

    def __init__(self, pixels: UInt8[Tensor, "n h w 3"], pad: int, flip: bool, device: torch.device) -> None:
        self.height, self.width = pixels.shape[1:3]
        self.choices = 2 * pad + 1
        self.device = device
        self._pixels, self._pad, self._flip = pixels, pad, flip
        self._columns = self.width + 2 * pad
        self._area = (self.height + 2 * pad) * self._columns

    @cached_property
    def _runs(self) -> UInt8[Tensor, "runs row"]:
        pixels = self._pixels.to(self.device)
        flat = (_pad_images(pixels, self._pad, self._flip) if self._pad or self._flip else pixels).reshape(-1)
        return flat.as_strided((len(flat) // 3 - self.width + 1, 3 * self.width), (3, 1))

    @cached_property
    def _lines(self) -> Int[Tensor, " h"]:
        return torch.arange(self.height, device=self.device) * self._columns

    def corners(
        self,
        images: Int[np.ndarray, " b"],
        top: Int[np.ndarray, " b"] | int,
        left: Int[np.ndarray, " b"] | int,
        mirrored: Bool[np.ndarray, " b"] | bool = False,
    ) -> Int[Tensor, " b"]:
        """Where each crop begins, counted in pixels from the first. Offsets lie in 0 .. choices - 1."""
        copies = images + len(self._pixels) * np.asarray(mirrored, np.int64)
        return torch.from_numpy(copies * self._area + top * self._columns + left).to(self.device)

    def gather(self, corners: Int[Tensor, " b"]) -> UInt8[Tensor, "b h row"]:
        """The crops' rows, colours interleaved."""
        runs = (corners[:, None] + self._lines).reshape(-1)
        return self._runs.index_select(0, runs).reshape(len(corners), self.height, -1)


def _pad_images(pixels: UInt8[Tensor, "n h w 3"], pad: int, flip: bool) -> UInt8[Tensor, "copies n H W 3"]:
    """With a black frame; the second copy is mirrored. Filled in place and in parts, to spare memory."""
    images, height, width, _ = pixels.shape
    copies = pixels.new_zeros(1 + flip, images, height + 2 * pad, width + 2 * pad, 3)
    inner = copies[:, :, pad : pad + height, pad : pad + width]
    inner[0] = pixels
    if flip:
        for mirrored, part in zip(inner[1].split(1024), pixels.split(1024), strict=True):
            mirrored.copy_(part.flip(2))
    return copies


class Normalise:
    """(pixels / 255 - mean) / std, as one multiplication and addition over interleaved rows."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], width: int, device: torch.device) -> None:
        spread = torch.tensor(std, dtype=torch.float64)
        self._scale = (1 / (255 * spread)).float().repeat(width).to(device)
        self._shift = (-torch.tensor(mean, dtype=torch.float64) / spread).float().repeat(width).to(device)

    def __call__(self, rows: UInt8[Tensor, "b h row"]) -> Float[Tensor, "b 3 h w"]:
        """Channels-last in memory: the colours stay interleaved, and convolutions like it."""
        values = rows.to(torch.float32)
        torch.addcmul(self._shift, values, self._scale, out=values)
        return values.unflatten(2, (-1, 3)).permute(0, 3, 1, 2)
