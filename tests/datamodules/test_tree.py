"""Which files of a folder are images of it; of the others one line says how many there are, and why."""

import io
import shutil

import pytest
import torch
from PIL import Image

from datamodules.tree import SUFFIXES, scan_tree
from support.tiny_images import add, picture


def test_nested_folders_are_read_as_torchvisions_imagefolder_reads_them(folder, tree):
    from torchvision.datasets import ImageFolder

    flat = folder()
    for name in ("0.jpg", "3.png"):
        (tree / "train" / "bee" / "b" / "deeper").mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / "train" / "bee" / name, tree / "train" / "bee" / "b" / "deeper" / name)
    (tree / "train" / "cow" / "again").symlink_to(tree / "train" / "bee" / "b")
    (tree / "train" / "cow" / "round").symlink_to(tree / "train" / "cow")
    nested = folder()
    assert nested.remarks == []
    assert len(nested.labels[0]) == len(flat.labels[0]) + 4
    (tree / "train" / "cow" / "round").unlink()  # in which ImageFolder would go round forty times
    theirs = ImageFolder(str(tree / "train")).samples
    assert sorted(scan_tree(tree, "train", "").paths) == sorted(path for path, _ in theirs)
    assert [nested.labels[0].tolist().count(label) for label in range(3)] == [8, 10, 10]


def test_one_line_counts_what_is_left_out_and_why(folder, tree):
    for name in ("a.heic", "b.HEIC", "notes.txt", "deep/c.heic", "README"):
        (tree / "train" / "ape" / "deep").mkdir(exist_ok=True)
        (tree / "train" / "ape" / name).write_bytes(b"x")
    for name in (".DS_Store", "Thumbs.db", ".ipynb_checkpoints/1.png"):  # nobody misses these
        (tree / "train" / "ape" / ".ipynb_checkpoints").mkdir(exist_ok=True)
        (tree / "train" / "ape" / name).write_bytes(b"x")
    picture().save(tree / "val" / "beside.png")
    data = folder()
    assert data.sizes["test"] == 24
    (line,) = data.remarks
    assert line.startswith(
        "left out: 3 .heic, 1 .txt, 1 files without a suffix of train/; "
        "1 files beside the class folders of val/ (read are .avif"
        if ".avif" in SUFFIXES
        else "left out: "
    )
    assert line.endswith(": convert or move them)")


def test_a_class_of_which_nothing_can_be_read_is_refused_with_what_is_there(folder, tree):
    for path in (tree / "train" / "bee").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(FileNotFoundError, match=r"train has no images of bee \(but 8 \.heic\)"):
        folder()


@pytest.mark.skipif(".avif" not in SUFFIXES, reason="this Pillow was built without AVIF")
@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_avif_is_read(folder, tree, shards, kind):
    buffer = io.BytesIO()
    Image.new("RGB", (60, 60), (200, 100, 50)).save(buffer, "AVIF")
    if kind == "folder":
        (tree / "val" / "ape" / "0.avif").write_bytes(buffer.getvalue())
        data = folder()
    else:
        import tarfile

        with tarfile.open(shards / "val-000009.tar", "w") as archive:
            add(archive, "a.avif", buffer.getvalue())
            add(archive, "a.cls", b"0")
        data = folder(root=str(shards), format="webdataset")
    assert data.sizes["test"] == 25
    images = torch.cat([images for images, _ in data.test_dataloader()])
    seen = images[0 if kind == "folder" else -1][:, 16, 16] * torch.tensor(data.std) + torch.tensor(data.mean)
    torch.testing.assert_close(seen * 255, torch.tensor([200.0, 100.0, 50.0]), rtol=0, atol=6)


def test_what_is_left_out_of_cifars_folders_is_said_too(cifar, root):
    (root / "train" / "cat" / "x.npy").write_bytes(b"x")
    data = cifar()
    data.prepare_data()
    assert data.remarks[0].startswith("left out: 1 .npy of train/ (read are ")
