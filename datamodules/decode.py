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

DECODING_ERRORS = (  # what decoders raise on damaged files
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
MAX_PIXELS = 89_478_485  # Pillow's own limit: a file that claims more is a decompression bomb
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC = 274, 258, 262  # tags of EXIF and TIFF
UPRIGHT = {  # by EXIF's orientation: what shows the picture as it was seen
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BrokenImageError(ValueError):
    """There is no readable image where one was listed."""


def decode(path: str | Path) -> UInt8[np.ndarray, "h w 3"]:
    """8-bit RGB, upright: of transparency the colours, of 16 bits the high byte, of several pictures the first.

    Floats must lie in [0, 1] and become 0 to 255; 32-bit integers must lie in [0, 255].
    """
    with _open_image(read_file(path), str(path)) as image:
        return np.asarray(_to_rgb(_turn_upright(image), str(path)))


def decode_planes(content: bytes, name: str, upright: bool = True) -> UInt8[Tensor, "3 h w"]:
    """The same pixels in planes; JPEG by torchvision, whose planes are resized a fifth faster than Pillow's pixels."""
    from torchvision.io import ImageReadMode, decode_jpeg  # 8 s to import, and small images do without

    with _open_image(content, name) as image:
        turned = upright and orientation(image) != 1
        if image.format == "JPEG" and image.mode in ("RGB", "L") and not turned:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # when it goes, Pillow gives the same pixels
                return decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB)
        pixels = np.array(_to_rgb(_turn_upright(image) if upright else image, name))
        return torch.from_numpy(pixels).permute(2, 0, 1)


def orientation(image: Image.Image) -> int:
    """1 where the file has none, or none that can be read."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except DECODING_ERRORS:
        return 1
    return value if value in UPRIGHT else 1


def is_turned(content: bytes) -> bool:
    """Whether the camera says that the picture lies on its side, or mirrored; False for what is no image."""
    try:
        with _open_image(content, "") as image:
            return orientation(image) != 1
    except BrokenImageError:
        return False


def read_file(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise BrokenImageError(f"{path} is gone, or a broken link: fetch it again, or remove it") from error


@contextmanager
def _open_image(content: bytes, name: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"a decompression bomb of {image.width}x{image.height} pixels")
            yield image
    except BrokenImageError:
        raise
    except DECODING_ERRORS as error:
        cause = str(error).split("\n")[0].rpartition(", ")[2].partition(" <")[0] if content else "0 bytes"
        raise BrokenImageError(f"{name} is not a readable image ({cause}): fetch it again, or remove it") from error


def _turn_upright(image: Image.Image) -> Image.Image:
    image.load()  # Pillow turns TIFF itself, and then says so
    turn = orientation(image)
    return image if turn == 1 else image.transpose(UPRIGHT[turn])


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip these to 0 and 255
        return Image.fromarray(_to_grey(image, name)).convert("RGB")
    if image.mode == "LAB":
        raise BrokenImageError(f"{name} is in L*a*b*, which is not read: save it as RGB")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _to_grey(image: Image.Image, name: str) -> UInt8[np.ndarray, "h w"]:
    """Of one number a pixel, wider than a byte. Its range must say by itself what is white: a rule by each file's own
    largest number would show two files of one data set in two scales."""
    values = np.asarray(image)
    if image.mode == "F":
        _refuse_beyond(values, 1, name, "numbers with a fraction must lie in [0, 1]")
        grey = np.rint(values * 255)
    elif bits := _bit_depth(image):
        grey = values.astype(np.uint32) >> (bits - 8)
    else:
        _refuse_beyond(values, 255, name, "integers of 32 bits, or with a sign, must lie in [0, 255]")
        grey = values
    return (255 - grey if _white_is_zero(image) else grey).astype(np.uint8)


def _bit_depth(image: Image.Image) -> int:
    """9 to 16 where the file's format fixes the scale; 0 where it does not."""
    if image.mode == "I":  # older Pillows open 16-bit PNG and PGM so
        return 16 if image.format in ("PNG", "PPM") else 0
    return _tiff_tag(image, BITS_PER_SAMPLE, 16)


def _white_is_zero(image: Image.Image) -> bool:
    """Of TIFF; Pillow heeds it for 8 bits only."""
    return _tiff_tag(image, PHOTOMETRIC, 1) == 0


def _tiff_tag(image: Image.Image, number: int, otherwise: int) -> int:
    value = getattr(image, "tag_v2", {}).get(number, otherwise)
    return int(value[0] if isinstance(value, tuple) else value)


def _refuse_beyond(values: np.ndarray, largest: int, name: str, rule: str) -> None:
    if not ((values >= 0) & (values <= largest)).all():  # nan is neither
        raise BrokenImageError(
            f"{name} has values from {values.min():.6g} to {values.max():.6g}, and {rule}: convert it to 8 or 16 bits"
        )
