"""Every kind of image is read; a broken one is named in one line, or left out on request."""

import struct
import zlib

import numpy as np
import pytest
import torch

from datamodules.decode import BrokenImageError, decode_planes
from support.tiny_images import KINDS, jpeg, picture


@pytest.mark.parametrize("mode", KINDS)
def test_every_kind_of_image_looks_the_same(tmp_path, mode):
    path = tmp_path / f"image.{KINDS[mode]}"
    picture(mode).save(path)
    planes = decode_planes(path.read_bytes(), "image")
    assert (planes.shape, planes.dtype) == ((3, 50, 70), torch.uint8)
    if mode in ("RGB", "CMYK", "RGBA"):
        expected = np.asarray(picture())
    else:
        expected = np.asarray(picture(mode if mode in ("1", "P") else "L").convert("RGB"))
    assert np.abs(planes.permute(1, 2, 0).numpy().astype(int) - expected).mean() < 4


def bomb() -> bytes:
    """A PNG of a few bytes that claims 60,000 x 60,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, b"IDAT" + zlib.compress(b""), b"IEND")
    )


BROKEN = {
    "empty": (b"", "0 bytes"),
    "text": (b"no picture", "cannot identify image file"),
    "half": (jpeg()[: len(jpeg()) // 2], "truncated"),
    "almost": (jpeg()[:-20], "truncated"),
    "half cmyk": (jpeg(mode="CMYK")[:800], "truncated"),
    "bomb": (bomb(), "bomb"),
}


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_image_is_named_in_one_line(folder, tree, kind, workers):
    content, cause = BROKEN[kind]
    (tree / "val" / "bee" / "0.jpg").write_bytes(content)
    with pytest.raises(
        BrokenImageError, match=rf"val/bee/0\.jpg is not a readable image \(.*{cause}.*skip_broken"
    ) as error:
        list(folder(workers=workers).test_dataloader())
    assert "\n" not in str(error.value)


def test_a_broken_link_is_named(folder, tree):
    (tree / "val" / "bee" / "0.jpg").unlink()
    data = folder()
    (tree / "val" / "bee" / "1.jpg").unlink()
    with pytest.raises(BrokenImageError, match=r"val/bee/1\.jpg is gone"):
        list(data.test_dataloader())


def test_broken_images_are_left_out_and_counted_on_request(folder, tree, caplog):
    for number in range(2):
        (tree / "val" / "bee" / f"{number}.jpg").write_bytes(b"")
    data = folder(skip_broken=True)
    for _ in range(2):
        assert sum(len(labels) for _, labels in data.test_dataloader()) == 22
    assert {part: len(names) for part, names in data.left_out.items()} == {"train": 0, "test": 2}
    assert [record.message[:36] for record in caplog.records] == ["2 broken images left out so far, one"]


def test_too_many_broken_images_are_refused(folder, tree):
    for number in range(3):
        (tree / "val" / "bee" / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(BrokenImageError, match=r"3 broken images.*allows \(2\)"):
        list(folder(skip_broken=True, broken_most=0.05).test_dataloader())


def test_a_batch_that_is_all_broken_says_so_and_not_that_there_were_too_many(folder, tree):
    (tree / "val" / "bee" / "0.jpg").write_bytes(b"")
    with pytest.raises(BrokenImageError, match=r"^a batch without one readable image.*val/bee/0\.jpg"):
        list(folder(skip_broken=True, broken_most=1.0, batch=1).test_dataloader())
