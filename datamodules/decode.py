"""One image file to RGB bytes, whatever its kind; a file that is no image is refused by name."""

import io
import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

MOST_PIXELS = 89_478_485  # Pillow's own limit: a file that claims more is a decompression bomb


class BrokenImageError(ValueError):
    """The file is there and is no readable image."""


def decode(path: str | Path) -> UInt8[np.ndarray, "h w 3"]:
    """Greyscale, palette, CMYK, transparent and 16-bit images come out as 8-bit RGB."""
    content, name = read(path), str(path)
    with _refusal(content, name), _opened(content) as image:
        return np.asarray(_rgb(image))


def decode_planes(content: bytes, name: str) -> UInt8[Tensor, "3 h w"]:
    """The same pixels, plane by plane; JPEG by torchvision, which decodes to planes a quarter faster than Pillow."""
    from torchvision.io import ImageReadMode, decode_jpeg

    with _refusal(content, name), _opened(content) as image:
        if image.format == "JPEG" and image.mode in ("RGB", "L"):
            return decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB)
        return torch.from_numpy(np.array(_rgb(image))).permute(2, 0, 1)


def read(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise BrokenImageError(f"{path} is gone, or a broken link: remove it, or fetch the data again") from error


class _refusal:  # noqa: N801 (used as a word)
    """Turns whatever a decoder raises on a damaged file into one line that names it."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.name = content, name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            cause = str(error).split("\n")[0].rpartition(", ")[2] if self.content else "0 bytes"
            raise BrokenImageError(
                f"{self.name} is not a readable image ({cause}): fetch or remove it"
            ) from error
