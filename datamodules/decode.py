"""One image file to RGB bytes, whatever its kind; a file that is no image is refused by name."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

DAMAGE = (  # what decoders raise on damaged files
    OSError,
    RuntimeError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
MOST_PIXELS = 89_478_485  # Pillow's own limit: a file that claims more is a decompression bomb


class BrokenImageError(ValueError):
    """There is no readable image where one was listed."""


def decode(path: str | Path) -> UInt8[np.ndarray, "h w 3"]:
    """Greyscale, palette, CMYK, transparent and 16-bit images come out as 8-bit RGB."""
    with _opened(read(path), str(path)) as image:
        return np.asarray(_rgb(image))


def decode_planes(content: bytes, name: str) -> UInt8[Tensor, "3 h w"]:
    """The same pixels in planes; JPEG by torchvision, whose planes are resized a fifth faster than Pillow's pixels."""
    from torchvision.io import ImageReadMode, decode_jpeg  # 8 s to import, and small images do without

    with _opened(content, name) as image:
        if image.format == "JPEG" and image.mode in ("RGB", "L"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # when it goes, Pillow gives the same pixels
                return decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB)
        return torch.from_numpy(np.array(_rgb(image))).permute(2, 0, 1)


def read(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise BrokenImageError(f"{path} is gone, or a broken link: fetch it again, or remove it") from error


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"a decompression bomb of {image.width}x{image.height} pixels")
            yield image
    except DAMAGE as error:
        cause = str(error).split("\n")[0].rpartition(", ")[2].partition(" <")[0] if content else "0 bytes"
        raise BrokenImageError(f"{name} is not a readable image ({cause}): fetch it again, or remove it") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: Pillow would clip it to white
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")
