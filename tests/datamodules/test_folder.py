"""Large images: worker processes change nothing but the speed."""

import io
import os
import shutil
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_images import digest, stand
from torchvision.transforms.v2 import functional

from datamodules.decode import BrokenImageError, decode_planes
from datamodules.folder import Folder

SHARED = os.environ.get("PRUNING_SHARED_DATA")  # real ImageNet files, <wnid>/*.JPEG
KINDS = {"RGB": "jpg", "L": "jpg", "CMYK": "jpg", "P": "png", "RGBA": "png", "LA": "png", "I;16": "png", "1": "bmp"}


def picture(mode: str = "RGB", width: int = 70, height: int = 50, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three classes, in train of every kind of file there is."""
    for number, (part, name) in enumerate((part, name) for part in ("train", "val") for name in ("ape", "bee", "cow")):
        folder = tmp_path / "images" / part / name
        folder.mkdir(parents=True)
        for index, (mode, suffix) in enumerate(KINDS.items()):
            picture(mode, 60 + 5 * index, 50, seed=number * 10 + index).save(folder / f"{index}.{suffix}")
    return tmp_path / "images"


@pytest.fixture
def folder(tree):
    made = []

    def make(**changed: object) -> Folder:
        values = {"name": "imagenet", "root": str(tree), "format": "folder", "test": "val", "size": 32, "resize": 40}
        values |= {"workers": 0, "skip_broken": False, "broken_most": 0.2, "batch": 5, "val": 0.25, "seed": 0}
        values |= {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
        data = Folder(**values | changed)
        data.prepare_data()
        data.setup()
        made.append(data)
        return data

    yield make
    for data in made:
        data.teardown()


@pytest.fixture
def shards(tree) -> Path:
    """The same images, in the same order, in two shards a part."""
    root = tree.parent / "shards"
    root.mkdir()
    (root / "classes.txt").write_text("ape\nbee\ncow\n")
    for part in ("train", "val"):
        paths = sorted((tree / part).glob("*/*"))
        for number, half in enumerate((paths[:11], paths[11:])):
            with tarfile.open(root / f"{part}-{number:06d}.tar", "w") as archive:
                for index, path in enumerate(half):
                    label = str(("ape", "bee", "cow").index(path.parent.name)).encode()
                    add(archive, f"{index:04d}{path.suffix}", path.read_bytes())
                    add(archive, f"{index:04d}.cls", label)
    return root


def add(archive: tarfile.TarFile, name: str, content: bytes, **changed: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in changed.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


def test_sizes_names_and_shapes(folder):
    data = folder()
    assert data.sizes == {"train": 18, "val": 6, "test": 24}
    assert data.classes == ("ape", "bee", "cow")
    assert data.image_shape == (3, 32, 32)
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (5, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)


def test_workers_change_nothing(folder):
    alone, helped = folder(), folder(workers=2)
    for epoch in range(2):
        stand(alone, epoch)
        stand(helped, epoch)
        assert digest(alone.train_dataloader()) == digest(helped.train_dataloader())
    assert digest(alone.test_dataloader()) == digest(helped.test_dataloader())


def test_epochs_and_seeds_differ(folder):
    data = folder()
    seen = {digest(data.train_dataloader()), digest(folder(seed=1).train_dataloader())}
    stand(data, epoch=1)
    assert len(seen | {digest(data.train_dataloader())}) == 3


def test_the_view_of_an_image_does_not_depend_on_its_batch(folder):
    small, large = (
        {tuple(image.flatten().tolist()) for images, _ in folder(batch=batch).train_dataloader() for image in images}
        for batch in (4, 18)
    )
    assert small == large


def test_the_generator_of_the_network_is_left_alone(folder):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(folder().train_dataloader())
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_resumes_within_an_epoch(folder, workers):
    data = folder(workers=workers)
    loader = data.train_dataloader()
    batches = iter(loader)
    next(batches)
    resumed = folder().train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    assert digest(resumed) == digest(batches)
    next(iter(loader))  # a pass broken off leaves nothing behind in the workers
    assert digest(loader) == digest(resumed)


def test_a_test_view_is_torchvisions(folder):
    data = folder(batch=24)
    (images, labels), *_ = data.test_dataloader()
    for number in (0, 9, 17):
        path = sorted((Path(data.root) / "val").glob("*/*"))[number]
        planes = decode_planes(path.read_bytes(), "")
        plain = functional.center_crop(functional.resize(planes, [40], antialias=True), [32])
        plain = functional.normalize(
            functional.to_dtype(plain, torch.float32, scale=True), list(data.mean), list(data.std)
        )
        torch.testing.assert_close(images[number], plain, rtol=1e-5, atol=1e-5)
        assert data.classes[labels[number]] == path.parent.name


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


def jpeg(**changed: object) -> bytes:
    buffer = io.BytesIO()
    picture(**changed).save(buffer, "JPEG")
    return buffer.getvalue()


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


def test_broken_images_are_left_out_on_request(folder, tree, caplog):
    for number in range(2):
        (tree / "val" / "bee" / f"{number}.jpg").write_bytes(b"")
    data = folder(skip_broken=True)
    for _ in range(2):
        assert sum(len(labels) for _, labels in data.test_dataloader()) == 22
    assert len(data.tolerance.seen) == 2
    data.teardown()
    assert "2 broken images left out, one of them:" in caplog.text


def test_too_many_broken_images_are_refused(folder, tree):
    for number in range(3):
        (tree / "val" / "bee" / f"{number}.jpg").write_bytes(b"")
    with pytest.raises(BrokenImageError, match=r"3 broken images.*allows \(2\)"):
        list(folder(skip_broken=True, broken_most=0.05).test_dataloader())


@pytest.mark.parametrize(
    ("gone", "text"), [("train", "only in train: none; only in val: bee"), ("val", "only in train: bee")]
)
def test_classes_of_one_part_alone_are_named(folder, tree, gone, text):
    shutil.rmtree(tree / gone / "bee")
    with pytest.raises(ValueError, match=text):
        folder()


def test_an_absent_root_says_what_it_must_hold(folder, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"data=imagenet needs data\.root=FOLDER: .* train/<class>/\* and val/<class>"
    ):
        folder(root=None)
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist: data\.root must hold train/<class>/\*"):
        folder(root=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"data\.format must be one of folder, webdataset, got zip"):
        folder(format="zip")
    with pytest.raises(ValueError, match=r"data\.resize must be data\.size or more"):
        folder(resize=20)


def test_the_identity_knows_names_sizes_and_split(folder, tree):
    first = folder().identity
    assert folder(seed=3, batch=2, workers=1).identity == first
    assert folder(val=0).identity != first
    shutil.copy(tree / "train" / "ape" / "0.jpg", tree / "train" / "ape" / "new.jpg")
    assert folder().identity != first


def test_shards_hold_the_same_data(folder, shards):
    plain, packed = folder(), folder(format="webdataset", root=str(shards), workers=2)
    assert packed.classes == plain.classes
    assert digest(plain.train_dataloader()) == digest(packed.train_dataloader())
    assert digest(plain.test_dataloader()) == digest(packed.test_dataloader())
    assert folder(format="webdataset", root=str(shards)).identity == packed.identity


def test_shards_without_names_number_their_classes(folder, shards):
    (shards / "classes.txt").unlink()
    assert folder(format="webdataset", root=str(shards)).classes == ("0", "1", "2")


def test_a_broken_image_in_a_shard_is_named(folder, shards):
    with tarfile.open(shards / "val-000002.tar", "w") as archive:
        add(archive, "x.jpg", b"no picture")
        add(archive, "x.cls", b"1")
    with pytest.raises(BrokenImageError, match=r"val-000002\.tar at byte 512 is not a readable image"):
        list(folder(format="webdataset", root=str(shards)).test_dataloader())


def test_damaged_shards_are_refused(folder, shards):
    def refused(match: str) -> None:
        with pytest.raises(ValueError, match=match):
            folder(format="webdataset", root=str(shards))

    extra = shards / "train-000009.tar"
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", jpeg())
    refused(r"train-000009\.tar needs one image and one \.cls for each key, not so for /x")
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", b"", type=tarfile.SYMTYPE, linkname="../../secret")
    refused(r"'x\.jpg' is a link")
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", jpeg())
        add(archive, "x.cls", b"cat")
    refused(r"'x\.cls' must hold a class number, got 'cat'")
    with tarfile.open(extra, "w") as archive:
        add(archive, "x.jpg", jpeg())
        add(archive, "x.cls", b"7")
    refused("must hold the same classes; only in train: 7; only in val: none")
    content = (shards / "train-000000.tar").read_bytes()
    extra.write_bytes(content[: len(content) // 2])
    refused(r"train-000009\.tar")


def test_absent_shards_are_named(folder, tree):
    with pytest.raises(FileNotFoundError, match=r"has no shards \*train\*\.tar"):
        folder(format="webdataset")


def test_real_images_take_the_same_way(folder, tmp_path):
    """All of PRUNING_SHARED_DATA where it is set; always two pictures of odd shape."""
    for part in ("train", "val"):
        for name in ("flat", "tall"):
            (tmp_path / "real" / part / name).mkdir(parents=True)
            picture(width=300 if name == "flat" else 20, height=20 if name == "flat" else 300).save(
                tmp_path / "real" / part / name / "0.JPEG"
            )
        for source in Path(SHARED).iterdir() if SHARED else ():
            (tmp_path / "real" / part / source.name).symlink_to(source)
    data = folder(root=str(tmp_path / "real"), size=224, resize=256, workers=1, batch=8, val=0)
    for batches in (data.train_dataloader(), data.test_dataloader()):
        labels = torch.cat([labels for images, labels in batches if images.isfinite().all()])
        assert sorted(labels.tolist()) == list(range(len(data.classes)))
