"""Images of numbers wider than a byte: right by the range their file declares, or refused by name; never black."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.decode import BrokenImageError, decode, decode_planes


def tiff(bits: int, content: bytes, width: int, white_is_zero: bool = False) -> bytes:
    """One row of grey, unsigned, as Pillow itself cannot write it."""
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: 0 if white_is_zero else 1, 277: 1, 278: 1, 279: len(content)}
    tags[273] = 8 + 2 + 12 * (len(tags) + 1) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + content


def grey(path: Path) -> list[int]:
    """Of the one row, by both ways to read it."""
    pixels, planes = decode(path), decode_planes(path.read_bytes(), path.name)
    assert (pixels.dtype, planes.dtype) == (np.uint8, torch.uint8)
    assert (np.moveaxis(planes.numpy(), 0, 2) == pixels).all()
    assert (pixels == pixels[..., :1]).all()
    return pixels[0, :, 0].tolist()


@pytest.mark.parametrize(
    ("values", "suffix", "expected"),
    [
        (np.float32([0, 0.2, 0.5, 1]), "tif", [0, 51, 128, 255]),  # 0.5 is 127.5, to the even number
        (np.int32([0, 1, 128, 255]), "tif", [0, 1, 128, 255]),
        (np.uint16([0, 255, 256, 65535]), "tif", [0, 0, 1, 255]),
        (np.uint16([0, 255, 256, 65535]), "png", [0, 0, 1, 255]),
        (np.uint16([0, 255, 256, 65535]), "pgm", [0, 0, 1, 255]),
        (np.uint16([0, 255, 256, 65535]).astype(">u2"), "tif", [0, 0, 1, 255]),
        (np.uint8([0, 1, 128, 255]), "tif", [0, 1, 128, 255]),
        (np.array([False, True]), "tif", [0, 255]),
    ],
)
def test_white_is_white_whatever_the_numbers_are(tmp_path, values, suffix, expected):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(values[None]).save(path)
    assert grey(path) == expected


@pytest.mark.parametrize(
    ("bits", "content", "width", "white_is_zero", "expected"),
    [
        (12, bytes.fromhex("000800fff0"), 3, False, [0, 128, 255]),  # 0x000, 0x800, 0xfff
        (16, struct.pack("<3H", 0, 0x8000, 0xFFFF), 3, True, [255, 127, 0]),
        (8, bytes([0, 128, 255]), 3, True, [255, 127, 0]),
    ],
)
def test_what_a_tiff_says_of_its_bits_is_heeded(tmp_path, bits, content, width, white_is_zero, expected):
    path = tmp_path / "image.tif"
    path.write_bytes(tiff(bits, content, width, white_is_zero))
    assert grey(path) == expected


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.float32([0, 254.5]), r"from 0 to 254.5, and numbers with a fraction must lie in \[0, 1\]: convert it to"),
        (np.float32([-0.5, 1]), r"from -0.5 to 1, and"),
        (np.float32([0, np.nan]), r"from nan to nan"),
        (np.int32([0, 256]), r"from 0 to 256, and integers of 32 bits, or with a sign, must lie in \[0, 255\]"),
        (np.int32([-1, 0]), r"from -1 to 0"),
    ],
)
def test_a_scale_that_nobody_knows_is_refused_by_name(tmp_path, values, text):
    path = tmp_path / "image.tif"
    Image.fromarray(values[None]).save(path)
    for read in (lambda: decode(path), lambda: decode_planes(path.read_bytes(), str(path))):
        with pytest.raises(BrokenImageError, match=rf"image\.tif has values {text}") as error:
            read()
        assert "\n" not in str(error.value)


def test_a_colour_space_that_is_not_read_says_what_to_do(tmp_path):
    Image.new("LAB", (2, 2)).save(tmp_path / "image.tif")
    with pytest.raises(BrokenImageError, match=r"image\.tif is in L\*a\*b\*, which is not read: save it as RGB$"):
        decode(tmp_path / "image.tif")
