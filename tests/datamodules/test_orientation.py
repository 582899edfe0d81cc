"""EXIF's orientation: applied where that is asked, by one rule for every kind of file, and mentioned either way."""

import io

import numpy as np
import pytest
from PIL import Image

from datamodules.decode import decode_planes

CORNERS = np.uint8(
    [[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]], [[0, 0, 0], [0, 0, 0]]]
)  # 3 rows, 2 wide
R, G, B, W, K = "RGBWK"
STORED = [[R, G], [B, W], [K, K]]
SEEN = {  # by hand, from the standard: which side of the picture the first row and the first column are
    1: [[R, G], [B, W], [K, K]],  # top, left
    2: [[G, R], [W, B], [K, K]],  # top, right
    3: [[K, K], [W, B], [G, R]],  # bottom, right
    4: [[K, K], [B, W], [R, G]],  # bottom, left
    5: [[R, B, K], [G, W, K]],  # left, top
    6: [[K, B, R], [K, W, G]],  # right, top
    7: [[K, W, G], [K, B, R]],  # right, bottom
    8: [[G, W, K], [R, B, K]],  # left, bottom
}


def stored(kind: str, orientation: int) -> bytes:
    """The corners, each 16 pixels wide, so that JPEG leaves their colours alone."""
    exif = Image.Exif()
    exif[274] = orientation
    buffer, image = io.BytesIO(), Image.fromarray(CORNERS.repeat(16, 0).repeat(16, 1))
    image.save(buffer, kind, exif=exif.tobytes(), **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}))
    return buffer.getvalue()


def names(content: bytes, upright: bool) -> list[list[str]]:
    pixels = decode_planes(content, "image", upright)[:, 8::16, 8::16].permute(1, 2, 0).numpy().astype(int)
    return [["RGBWK"["RGBWK".index(name)] for name in map(nearest, row)] for row in pixels]


def nearest(colour: np.ndarray) -> str:
    palette = {R: (250, 0, 0), G: (0, 250, 0), B: (0, 0, 250), W: (250, 250, 250), K: (0, 0, 0)}
    return min(palette, key=lambda name: np.abs(colour - palette[name]).sum())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", SEEN)
def test_every_orientation_is_seen_upright(kind, orientation):
    assert names(stored(kind, orientation), upright=True) == SEEN[orientation]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_image_may_be_taken_as_it_is_stored(kind):
    assert names(stored(kind, 6), upright=False) == STORED


def test_a_damaged_orientation_costs_nobody_an_image():
    content = stored("JPEG", 6)
    at = content.index(b"Exif\0\0") + 6
    assert names(content[:at] + b"XX" + content[at + 2 :], upright=True) == STORED
    assert names(stored("JPEG", 99), upright=True) == STORED


@pytest.mark.parametrize(("exif", "done"), [("apply", "turned upright"), ("ignore", "taken as stored")])
def test_it_is_applied_or_not_and_mentioned_either_way(folder, tree, exif, done):
    plain = folder(exif=exif)
    assert plain.remarks == []
    before = plain.identity
    for name in ("0.jpg", "1.jpg"):
        (tree / "train" / "bee" / name).write_bytes(stored("JPEG", 6))
    changed = folder(exif=exif)
    (line,) = changed.remarks
    assert line.startswith("2 of 24 training images looked at carry an EXIF orientation: ")
    assert done in line
    assert changed.identity != before


def test_the_identity_knows_whether_images_are_turned(folder):
    assert folder(exif="apply").identity != folder(exif="ignore").identity
    with pytest.raises(ValueError, match=r"data\.exif must be one of apply, ignore, got rotate"):
        folder(exif="rotate")
